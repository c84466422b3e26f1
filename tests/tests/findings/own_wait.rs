//! A holder that waits for a permit itself, in its own callee or in a task that it awaits, is no hoarder.

mod awaited;
mod beside;

use std::future::Future;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::leash::Finding;
use sqlx::leash::testing::findings;
use sqlx::track;

use crate::common::{Place, TestPool, connect, marked, options};

type Result = sqlx::Result<()>;

/// The `acquire_timeout` of most pools here.
const SOON: Duration = Duration::from_secs(1);

/// A pool of this size with the tables `purchase` and `reservation`.
async fn shop(max_connections: u32, acquire_timeout: Duration) -> TestPool {
    let pool = connect(options(max_connections).acquire_timeout(acquire_timeout)).await;
    let tables = "CREATE TABLE purchase (n); CREATE TABLE reservation (n)";
    sqlx::raw_sql(tables).execute(&*pool).await.unwrap();
    pool
}

#[track]
async fn reserve(pool: SqlitePool) -> Result {
    let insert = "INSERT INTO reservation VALUES (1)";
    sqlx::query(insert).execute(&pool).await?; // @own reserve
    Ok(())
}

/// Where [`reserve`] sends its query.
fn reserves_at() -> Place {
    marked("own reserve", "execute")
}

async fn found(future: impl Future<Output = Result>) -> (Result, Vec<Finding>) {
    findings(Box::pin(future)).await
}
