//! A connection as a type argument: nothing coerces there.

use sqlx::{SqliteConnection, SqlitePool};

async fn touch(connection: Option<&mut SqliteConnection>) {
    drop(connection);
}

async fn fixed(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let connection = Some(tx.as_mut());
    touch(connection).await;
    Ok(())
}

async fn refused(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let connection = Some(&mut *tx);
    touch(connection).await;
    Ok(())
}

fn main() {}
