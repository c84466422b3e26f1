//! A connection that is borrowed by an open stream.

use futures::TryStreamExt;
use sqlx::{SqliteConnection, track};

#[track]
async fn find(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    let mut rows = sqlx::query("SELECT 1").fetch(&mut *conn);
    while let Some(row) = rows.try_next().await? {
        sqlx::query("SELECT 2").execute(&mut *conn).await?;
        drop(row);
    }
    Ok(())
}

fn main() {}
