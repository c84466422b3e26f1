//! Plain sqlx, with sqlx-datadog 0.4 on every function with a pool, without a subscriber. Its attribute asks the
//! options of a pool for a host, so it compiles for no connection, and not for SQLite.

use sqlx::pool::PoolConnection;
use sqlx::{Pool, Transaction};

use contender_plain::watched;

leash_contender::contender! {
    pool => [#[sqlx_datadog::instrument_query(skip_all, db = pool)]], conn => &mut **conn, tx => &mut **tx
}

fn main() {
    serve();
}
