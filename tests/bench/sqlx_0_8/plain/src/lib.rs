//! sqlx 0.8 itself, for its own sake: what is built on it compares with it alone.

use sqlx::pool::PoolConnection;
use sqlx::{Pool, Transaction};

fn watched<DB: sqlx::Database>(pool: Pool<DB>) -> Pool<DB> {
    pool
}

leash_contender::contender! { [], conn => &mut **conn, tx => &mut **tx }
