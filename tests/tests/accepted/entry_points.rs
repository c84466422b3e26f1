//! `#[tokio::main]`, `#[tokio::test]`, `#[sqlx::test]` and `#[test]`, above `#[track]` and below it.

#![deny(warnings, rust_2018_idioms)]

use sqlx::{SqlitePool, track};

#[track(max_queries = 3, root)]
#[tokio::main(flavor = "current_thread")]
async fn above() -> sqlx::Result<i64> {
    let pool = leash_tests::in_memory().await;
    sqlx::query_scalar("SELECT 1").fetch_one(&pool).await
}

#[tokio::main]
#[track]
async fn below() -> sqlx::Result<i64> {
    let pool = leash_tests::in_memory().await;
    if pool.size() > 9 {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT 2").fetch_one(&pool).await
}

#[track]
#[test]
fn a_plain_test_below() {
    sqlx::test_block_on(async {
        assert_eq!(leash_tests::in_memory().await.size(), 1);
    });
}

#[test]
#[track]
fn a_plain_test_above() {
    sqlx::test_block_on(async {
        assert_eq!(leash_tests::in_memory().await.size(), 1);
    });
}

#[track]
#[tokio::test]
async fn a_test_below() {
    let _pool = leash_tests::in_memory().await;
}

#[tokio::test]
#[track(name = "named")]
async fn a_test_above() -> sqlx::Result<()> {
    assert_eq!(leash_tests::in_memory().await.size(), 1);
    Ok(())
}

#[track]
#[sqlx::test]
async fn a_pool_below(pool: SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT 3").execute(&pool).await?;
    Ok(())
}

#[sqlx::test]
#[track]
async fn a_pool_above(pool: SqlitePool) {
    sqlx::query("SELECT 4").execute(&pool).await.unwrap();
}

#[track]
#[tokio::main]
async fn main() -> sqlx::Result<()> {
    let both = tokio::task::spawn_blocking(|| (above(), below()));
    let (above, below) = both.await.unwrap();
    assert_eq!(above? + below?, 3);
    Ok(())
}

#[test]
fn runs() -> sqlx::Result<()> {
    main()
}
