//! `outside_transaction`: a query was sent to the pool while a transaction of it was open here or further out.

mod begins;
mod found;
mod levels;
mod silent;

use sqlx::leash::Finding;
use sqlx::leash::testing::findings;

type Result = sqlx::Result<()>;

async fn found(future: impl Future<Output = Result>) -> Vec<Finding> {
    let (ended, found) = findings(Box::pin(future)).await;
    ended.unwrap();
    found
}
