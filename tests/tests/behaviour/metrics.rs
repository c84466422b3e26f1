//! What Prometheus is told.

#![allow(clippy::float_cmp, reason = "the values are whole numbers")]

mod pools;
mod sites;
mod statements;
mod table;

use leash_tests::{Scrape, in_child};
use sqlx::leash;

/// What is exposed now.
fn scrape() -> Scrape {
    Scrape::of(&leash::prometheus())
}

/// The label of a pool.
fn of(pool: &str) -> (&str, &str) {
    ("db_client_connection_pool_name", pool)
}

#[test]
fn what_is_switched_off_exposes_a_comment() {
    let _ = in_child(
        "metrics::what_is_switched_off_exposes_a_comment",
        &[("SQLX_LEASH", "off")],
        |_| {
            let text = leash::prometheus();
            assert!(text.ends_with('\n'));
            assert!(text.lines().all(|line| line.starts_with("# ")), "{text}");
        },
    );
}
