//! sqlx-tracing 0.2.

use sqlx_tracing::{Pool, PoolBuilder, PoolConnection, Transaction};

fn watched<DB: sqlx::Database>(pool: sqlx::Pool<DB>) -> Pool<DB>
where
    PoolBuilder<DB>: From<sqlx::Pool<DB>>,
{
    PoolBuilder::from(pool).build()
}

leash_contender::contender! { [], conn => conn, tx => &mut tx.executor() }
