//! Functions that do what the lints speak of.

use std::sync::Mutex;

use sqlx::pool::PoolConnection;
use sqlx::{Result, Sqlite, SqlitePool, track};

/// Takes a second permit while it holds one.
#[track]
pub(crate) async fn nests(pool: &SqlitePool) -> Result<()> {
    let held = pool.acquire().await?;
    let nested = pool.acquire().await?;
    drop((held, nested));
    Ok(())
}

/// Ends unwinding with a handle that has outlived it: told in a destructor.
#[track]
pub(crate) async fn loses_and_unwinds(
    pool: &SqlitePool,
    kept: &Mutex<Vec<PoolConnection<Sqlite>>>,
) -> Result<()> {
    let conn = pool.acquire().await?;
    kept.lock().unwrap().push(conn);
    panic!("as tested");
}

/// Does nothing with a connection until something comes.
#[track(held_idle = "50ms")]
pub(crate) async fn idles(pool: &SqlitePool, what_comes: impl Future<Output = ()>) -> Result<()> {
    let conn = pool.acquire().await?;
    what_comes.await;
    drop(conn);
    Ok(())
}
