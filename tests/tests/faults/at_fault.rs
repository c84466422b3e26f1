//! Functions with the faults that the lints report.

use std::sync::Mutex;

use sqlx::pool::PoolConnection;
use sqlx::{Result, Sqlite, SqlitePool, track};

/// Acquires a second permit while it holds one.
#[track]
pub(crate) async fn nests(pool: &SqlitePool) -> Result<()> {
    let held = pool.acquire().await?;
    let nested = pool.acquire().await?;
    drop((held, nested));
    Ok(())
}

/// Unwinds, and leaves a handle that outlives the function: the finding is reported in a destructor.
#[track]
pub(crate) async fn loses_and_unwinds(
    pool: &SqlitePool,
    kept: &Mutex<Vec<PoolConnection<Sqlite>>>,
) -> Result<()> {
    let conn = pool.acquire().await?;
    kept.lock().unwrap().push(conn);
    panic!("as tested");
}

/// Leaves a connection idle until `what_comes` completes.
#[track(held_idle = "50ms")]
pub(crate) async fn idles(pool: &SqlitePool, what_comes: impl Future<Output = ()>) -> Result<()> {
    let conn = pool.acquire().await?;
    what_comes.await;
    drop(conn);
    Ok(())
}
