//! The migrator takes plain sqlx's `Acquire`.

use sqlx::migrate::Migrator;
use sqlx::{Acquire, Sqlite};

async fn fixed(migrator: &Migrator, conn: impl Acquire<'_, Database = Sqlite>) {
    let mut conn = conn.acquire().await.unwrap();
    migrator.run(&mut *conn).await.unwrap();
}

async fn refused(migrator: &Migrator, conn: impl Acquire<'_, Database = Sqlite>) {
    migrator.run(conn).await.unwrap();
}

fn main() {}
