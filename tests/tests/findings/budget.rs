//! `query_budget`: told at the statement over it, once for each scope, before it is sent.

mod found;
mod levels;
mod silent;

use sqlx::{SqlitePool, track};

use self::found::two;

#[track(max_queries = 2)]
async fn exactly(pool: &SqlitePool) {
    two(pool).await;
}
