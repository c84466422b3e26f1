//! `nested_acquire`: a permit is acquired while one of the same pool is held, here or further out. A permit that is
//! held by another branch or task, or in another pool, does not count.

mod branches;
mod found;
mod handed_on;
mod handed_over;
mod levels;
mod numbers;
mod repeats;
mod silent;

use sqlx::leash::Finding;
use sqlx::leash::testing::findings;

use crate::common::assert_none;

type Result = sqlx::Result<()>;

/// The findings of `future`, which must succeed.
async fn found(future: impl Future<Output = Result>) -> Vec<Finding> {
    let (ended, found) = findings(Box::pin(future)).await;
    ended.unwrap();
    found
}

async fn is_silent(future: impl Future<Output = Result>) {
    assert_none(&found(future).await);
}
