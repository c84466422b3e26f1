//! An argument that is not `mut`, and a connection that is moved.

use sqlx::{SqliteConnection, track};

#[track]
async fn find(text: String, conn: &mut SqliteConnection) -> sqlx::Result<String> {
    text.push('x');
    sqlx::query("SELECT 1").execute(conn).await?;
    sqlx::query("SELECT 2").execute(conn).await?;
    Ok(text)
}

fn main() {}
