//! Every option as it should be.

#![deny(warnings, rust_2018_idioms)]

use sqlx::track;

#[track(name = "exams.find", root, returns_handle, max_queries = 1_000)]
async fn words() {}

#[track(
    held_idle = "1m 30s",
    held_too_long = "2h",
    slow_query = "1500ms",
    unaccounted_connections = "5s",
    close_blocked = "1ms"
)]
async fn times() {}

#[track(
    n_plus_one = 20,
    redundant_query = 3,
    query_budget = 4,
    duplicate_pool = 2
)]
async fn counts() {}

#[track(pool_pressure = "90%", connection_churn = "2/s")]
async fn shares() {}

#[track(allow(all), deny(leaks), warn(held_idle, slow_query, reason = "why"))]
async fn levels() {}

#[track(deny(
    outlived_scope,
    held_idle,
    held_too_long,
    implicit_rollback,
    pool_deadlock,
    pool_timeout,
    nested_acquire,
    pool_pressure,
    unaccounted_connections,
    close_blocked,
    connection_churn,
    duplicate_pool,
    outside_transaction,
    n_plus_one,
    redundant_query,
    query_budget,
    slow_query,
))]
async fn all_lints() {}

#[track(warn(leaks, queries, pool))]
async fn all_groups() {}

#[track(allow(n_plus_one, reason = "beside its limit"), n_plus_one = 20)]
async fn both() {}

#[track(name = "stacked")]
#[track(root, slow_query = "1s")]
async fn stacked() {}

#[track(skip)]
async fn skipped() {}

#[track(allow(n_plus_one), slow_query = "1s")]
fn neither_future_nor_stream() {
    drop(async {});
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() {
    tokio::join!(words(), times(), counts(), shares(), levels());
    tokio::join!(all_lints(), all_groups(), both(), stacked(), skipped());
    neither_future_nor_stream();
}
