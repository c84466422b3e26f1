//! sqlx-otel 0.5.

use sqlx_otel::{Database, Pool, PoolBuilder, PoolConnection, Transaction};

fn watched<DB: Database>(pool: sqlx::Pool<DB>) -> Pool<DB> {
    PoolBuilder::from(pool).build()
}

leash_contender::contender! { [], conn => conn, tx => tx }
