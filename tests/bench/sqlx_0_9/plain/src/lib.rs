//! Plain sqlx.

use sqlx::pool::PoolConnection;
use sqlx::{Pool, Transaction};

/// The pool as it is.
pub fn watched<DB: sqlx::Database>(pool: Pool<DB>) -> Pool<DB> {
    pool
}

leash_contender::contender! { [], conn => &mut **conn, tx => &mut **tx }
