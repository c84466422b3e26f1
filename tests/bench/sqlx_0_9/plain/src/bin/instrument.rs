//! Plain sqlx, with `#[tracing::instrument]` on every function, without a subscriber.

use sqlx::pool::PoolConnection;
use sqlx::{Pool, Transaction};

use contender_plain::watched;

leash_contender::contender! { each [#[tracing::instrument(skip_all)]], conn => &mut **conn, tx => &mut **tx }

fn main() {
    serve();
}
