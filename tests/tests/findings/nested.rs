//! `nested_acquire`: a permit is taken while holding one of the same pool, here or further out. Branches, tasks and other
//! pools hold for nobody.

mod branches;
mod found;
mod handed_on;
mod levels;
mod numbers;
mod silent;

use sqlx::leash::Finding;
use sqlx::leash::testing::findings;

use crate::common::assert_none;

type Result = sqlx::Result<()>;

/// What is found in this, which must go well.
async fn found(future: impl Future<Output = Result>) -> Vec<Finding> {
    let (ended, found) = findings(Box::pin(future)).await;
    ended.unwrap();
    found
}

async fn is_silent(future: impl Future<Output = Result>) {
    assert_none(&found(future).await);
}
