//! What Prometheus is told.

mod pools;
mod statements;

use leash_tests::Scrape;
use sqlx::leash;

/// What is exposed now.
fn scrape() -> Scrape {
    Scrape::of(&leash::prometheus())
}

/// The label of a pool.
fn of(pool: &str) -> (&str, &str) {
    ("db_client_connection_pool_name", pool)
}
