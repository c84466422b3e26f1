//! Somebody else's crate, written for plain sqlx, with sqlx-leash merely in its graph: it must go on compiling.

use sqlx::{Database, Executor, Pool};

/// An executor that is borrowed again and again.
pub async fn by_reference<E>(e: &mut E)
where
    for<'e> &'e mut E: Executor<'e, Database = sqlx::Sqlite>,
{
    let _ = e.execute("SELECT 1").await;
}

/// A pool of any database.
pub async fn any_pool<DB: Database>(pool: &Pool<DB>)
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let _ = pool.execute("SELECT 1").await;
}
