//! Plain sqlx 0.8, for comparison with the wrappers that are built on it.

use sqlx::pool::PoolConnection;
use sqlx::{Pool, Transaction};

fn watched<DB: sqlx::Database>(pool: Pool<DB>) -> Pool<DB> {
    pool
}

leash_contender::contender! { [], conn => &mut **conn, tx => &mut **tx }
