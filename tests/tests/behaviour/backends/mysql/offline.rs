//! `query!` with offline data counts at its own call site.

use sqlx::{Executor, MySqlPool, track};

use super::pool_of;
use crate::common::check_sums;

#[track]
async fn checked(pool: &MySqlPool) -> sqlx::Result<()> {
    let done = sqlx::query!("INSERT INTO patient (name, age) VALUES (?, ?)", "Ada", 36)
        .execute(pool)
        .await?;
    let mut tx = pool.begin().await?;
    let found = sqlx::query!(
        "SELECT name, age FROM patient WHERE id = ? FOR UPDATE",
        done.last_insert_id()
    )
    .fetch_one(&mut *tx)
    .await?;
    assert_eq!((found.name.as_str(), found.age), ("Ada", Some(36)));
    tx.rollback().await
}

#[tokio::test]
async fn at_its_own_call_site() {
    let Some(pool) = pool_of(2).await else { return };
    pool.execute("CREATE TABLE patient (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) NOT NULL, age INT)").await.unwrap();
    checked(&pool).await.unwrap();
    check_sums(
        "backends::mysql::offline::checked",
        &[(1, 1, 0, 0, 0, 1), (1, 1, 0, 0, 1, 0)],
    );
    pool.assert_serves_all().await;
}
