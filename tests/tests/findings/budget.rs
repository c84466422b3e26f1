//! `query_budget`: reported at the statement over the budget, once for each scope, before the statement is sent.

mod found;
mod levels;
mod silent;

use sqlx::{SqlitePool, track};

use self::found::two;

#[track(max_queries = 2)]
async fn exactly(pool: &SqlitePool) {
    two(pool).await;
}
