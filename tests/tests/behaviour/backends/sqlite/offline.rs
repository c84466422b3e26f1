//! `query!` with offline data counts at its own call site.

use sqlx::{Executor, SqlitePool, track};

use super::pool_of;
use crate::common::check_sums;

#[track]
async fn checked(pool: &SqlitePool) -> sqlx::Result<()> {
    pool.execute("INSERT INTO patient (name, age) VALUES ('Grace', 36)")
        .await?;
    let mut tx = pool.begin().await?;
    let (name, id) = ("Ada", 1);
    sqlx::query!("UPDATE patient SET name = ? WHERE id = ?", name, id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    let found = sqlx::query!("SELECT id, name, age FROM patient WHERE id = ?", 1)
        .fetch_one(pool)
        .await?;
    assert_eq!((found.name.as_str(), found.age), ("Ada", Some(36)));
    Ok(())
}

#[tokio::test]
async fn at_its_own_call_site() {
    let Some(pool) = pool_of(2).await else { return };
    pool.execute("CREATE TABLE patient (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER)")
        .await
        .unwrap();
    checked(&pool).await.unwrap();
    check_sums(
        "backends::sqlite::offline::checked",
        &[(1, 1, 0, 0, 0, 1), (1, 1, 0, 0, 0, 1), (1, 1, 0, 0, 1, 0)],
    );
    pool.assert_serves_all().await;
}
