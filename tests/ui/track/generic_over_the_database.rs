//! Code generic over the database, without the bound `leash::Backend`.

use sqlx::{Database, Executor, IntoArguments, Pool};

async fn touch<DB>(pool: &Pool<DB>) -> sqlx::Result<()>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    sqlx::query("SELECT 1").execute(pool).await?;
    Ok(())
}

fn main() {}
