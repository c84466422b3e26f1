//! A crate written for plain sqlx, which has sqlx-leash with `track` in its graph. It must compile unchanged.
//!
//! If sqlx-leash implemented `Executor` with an `Executor` bound, each of these functions would fail with E0275, an
//! overflow while the compiler searches for implementations, although none of them names sqlx-leash.

// The compiler does not load a crate that is never named.
use sqlx_leash as _;

use sqlx::{Acquire, Connection, Database, Executor, Pool, Sqlite, SqliteConnection};

/// An executor that is borrowed repeatedly.
pub async fn by_reference<E>(e: &mut E)
where
    for<'e> &'e mut E: Executor<'e, Database = Sqlite>,
{
    let _ = e.execute("SELECT 1").await;
}

/// The same for any database.
pub async fn by_reference_of_any<DB, E>(e: &mut E) -> sqlx::Result<()>
where
    DB: Database,
    for<'e> &'e mut E: Executor<'e, Database = DB>,
{
    e.execute("SELECT 1").await?;
    e.execute("SELECT 2").await?;
    Ok(())
}

/// A shared reference that is an executor.
pub async fn by_shared_reference<E>(e: &E)
where
    for<'e> &'e E: Executor<'e>,
{
    let _ = e.execute("SELECT 1").await;
}

/// A pool for any database.
pub async fn any_pool<DB: Database>(pool: &Pool<DB>)
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let _ = pool.execute("SELECT 1").await;
}

/// A connection to any database.
pub async fn any_connection<DB: Database>(conn: &mut DB::Connection) -> sqlx::Result<()>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    conn.execute("SELECT 1").await?;
    let mut tx = conn.begin().await?;
    tx.execute("SELECT 1").await?;
    tx.commit().await
}

/// A connection type with the bound on itself.
pub async fn any_connection_type<C>(conn: &mut C) -> sqlx::Result<()>
where
    C: Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    conn.execute("SELECT 1").await?;
    conn.ping().await
}

/// Anything that connections can be acquired from.
pub async fn any_source<'a, A, DB>(from: A) -> sqlx::Result<()>
where
    A: Acquire<'a, Database = DB>,
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut conn = from.acquire().await?;
    conn.execute("SELECT 1").await?;
    Ok(())
}

/// A type that holds a pool, with the bound on its implementation.
#[derive(Debug)]
pub struct Repo<DB: Database> {
    pool: Pool<DB>,
}

impl<DB> Repo<DB>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
{
    /// Runs one statement in each way.
    pub async fn run(&self) -> sqlx::Result<()> {
        self.pool.execute("SELECT 1").await?;
        any_pool(&self.pool).await;
        any_source(&self.pool).await?;
        by_shared_reference(&self.pool).await;
        any_connection::<DB>(&mut *self.pool.acquire().await?).await
    }
}

/// All of the above with an actual database.
pub async fn everything(pool: Pool<Sqlite>) -> sqlx::Result<()> {
    let mut conn: SqliteConnection = pool.acquire().await?.detach();
    by_reference(&mut conn).await;
    by_reference_of_any(&mut conn).await?;
    any_connection_type(&mut conn).await?;
    conn.close().await?;
    Repo { pool }.run().await
}
