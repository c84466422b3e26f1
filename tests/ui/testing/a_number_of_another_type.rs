//! The number of statements is a `u64`.

#![allow(dead_code)]

use sqlx::leash::testing::assert_queries;

async fn program(ids: Vec<i64>) {
    assert_queries!(ids.len(), async {});
    assert_queries!(2..=ids.len(), async {});
}

fn main() {}
