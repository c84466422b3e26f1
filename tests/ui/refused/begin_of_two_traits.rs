//! Both traits have a `begin`.

#![allow(dead_code)]

use sqlx::{Acquire, Connection, SqliteConnection};

async fn program(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    conn.begin().await?.commit().await
}

fn main() {}
