//! A handle that a root scope has returned is kept by a value of the task: an extractor's, a unit of work's. It holds for
//! the root scopes that follow in that task, likely.

mod found;
mod silent;

use std::sync::Arc;

use sqlx::leash::Finding;
use sqlx::leash::testing::findings;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool, Transaction, track};
use tokio::sync::Mutex;

use crate::common::{Place, marked};

type Result<T = ()> = sqlx::Result<T>;

/// What an extractor returns.
struct Tenant {
    conn: PoolConnection<Sqlite>,
    pool: SqlitePool,
}

#[track]
async fn extract(pool: &SqlitePool) -> Result<Tenant> {
    Ok(Tenant {
        conn: pool.acquire().await?, // @kept extracted
        pool: pool.clone(),
    })
}

#[track]
async fn sitemap(tenant: Tenant) -> Result<i64> {
    sqlx::query_scalar("SELECT 1").fetch_one(&tenant.pool).await // @kept sitemap
}

#[track]
async fn with_the_connection(mut tenant: Tenant) -> Result<i64> {
    sqlx::query_scalar("SELECT 1")
        .fetch_one(&mut *tenant.conn)
        .await
}

/// A query that knows of no tenant.
#[track]
async fn count(pool: &SqlitePool) -> Result<i64> {
    sqlx::query_scalar("SELECT 1").fetch_one(pool).await // @kept count
}

/// A unit of work.
struct Work {
    tx: Transaction<'static, Sqlite>,
}

#[track]
impl Work {
    async fn begin(pool: &SqlitePool) -> Result<Self> {
        Ok(Self {
            tx: pool.begin().await?, // @kept begin
        })
    }

    async fn insert(&mut self) -> Result {
        sqlx::query("SELECT 2").execute(&mut *self.tx).await?;
        Ok(())
    }

    async fn commit(self) -> Result {
        self.tx.commit().await
    }
}

/// A service that all tasks share, with a connection that it keeps.
struct Service {
    conn: Mutex<PoolConnection<Sqlite>>,
    pool: SqlitePool,
}

#[track]
impl Service {
    async fn connect(pool: &SqlitePool) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            conn: Mutex::new(pool.acquire().await?),
            pool: pool.clone(),
        }))
    }

    async fn listen(&self) -> Result {
        let mut conn = self.conn.lock().await;
        sqlx::query("SELECT 3").execute(&mut **conn).await?;
        Ok(())
    }

    async fn count(&self) -> Result<i64> {
        sqlx::query_scalar("SELECT 4").fetch_one(&self.pool).await
    }
}

/// A place in one of the functions here.
fn place_of(marker: &str, word: &str) -> Place {
    marked(marker, word)
}

async fn found<T>(future: impl Future<Output = Result<T>>) -> (Result<T>, Vec<Finding>) {
    findings(Box::pin(future)).await
}
