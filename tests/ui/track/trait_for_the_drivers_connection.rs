//! A trait of the program's, for the driver's connection.

use sqlx::{Executor, SqliteConnection, SqlitePool};

trait Store {
    async fn touch(self) -> sqlx::Result<()>;
}

impl Store for &mut SqliteConnection {
    async fn touch(self) -> sqlx::Result<()> {
        self.execute("SELECT 1").await?;
        Ok(())
    }
}

async fn touch(store: impl Store) -> sqlx::Result<()> {
    store.touch().await
}

async fn fixed(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    touch(tx.as_mut()).await?;
    tx.commit().await
}

async fn refused(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    touch(&mut *tx).await?;
    tx.commit().await
}

fn main() {}
