//! A boxed future that promises `Send` and is not.

use std::rc::Rc;

use futures::future::BoxFuture;
use sqlx::{SqlitePool, track};

#[track]
fn find(pool: &SqlitePool) -> BoxFuture<'_, sqlx::Result<i64>> {
    Box::pin(async move {
        let local = Rc::new(1);
        let number = sqlx::query_scalar("SELECT 1").fetch_one(pool).await;
        drop(local);
        number
    })
}

fn main() {}
