//! Memory depends on the call sites, not on the texts.

use leash_tests::in_child;
use sqlx::leash::{self};
use sqlx::{AssertSqlSafe, SqlitePool, track};

use crate::common::{pool_of, rows_of};

use super::flat;

const TEXTS: u64 = 10_000;

/// Asserts that one place has few rows for many texts, and that one row is shared by the texts without their own row.
#[track_caller]
fn check(rows: &[leash::SiteStats], most: usize) {
    assert!(rows.len() <= most, "{} rows", rows.len());
    assert_eq!(
        rows.iter().map(|row| row.calls).sum::<u64>(),
        TEXTS,
        "every call is counted"
    );
    let shared: Vec<_> = rows.iter().filter(|row| row.texts > 1).collect();
    assert_eq!(shared.len(), 1, "one row is shared");
    let beyond = TEXTS - (rows.len() as u64 - 1);
    // The count of texts is an estimate. Allow three times its standard error of 13 %.
    let [low, high] = [beyond * 61 / 100, beyond * 139 / 100];
    assert!(
        (low..=high).contains(&shared[0].texts),
        "about {beyond} texts share it: {}",
        shared[0].texts
    );
    assert_eq!(shared[0].calls, beyond);
}

#[tokio::test]
async fn many_texts_at_one_place() {
    #[track]
    async fn dynamic(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        for number in 0..TEXTS {
            let sql = AssertSqlSafe(format!("SELECT {number} AS a"));
            sqlx::query(sql)
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
    dynamic(&*pool_of(1).await).await.unwrap();
    check(
        &rows_of("memory::texts::many_texts_at_one_place::dynamic"),
        40,
    );
}

#[test]
fn many_texts_of_untracked_code() {
    let _ = in_child(
        "memory::texts::many_texts_of_untracked_code",
        &[],
        |runtime| {
            runtime.block_on(async {
                let pool = pool_of(1).await;
                let mut connection = pool.acquire().await.unwrap();
                for number in 0..TEXTS {
                    let sql = AssertSqlSafe(format!("SELECT {number} AS b"));
                    sqlx::query(sql)
                        .persistent(false)
                        .execute(&mut *connection)
                        .await
                        .unwrap();
                }
                let mut rows = leash::snapshot().sites;
                rows.retain(|row| {
                    row.function.is_none() && (row.texts > 1 || row.sql.ends_with(" AS b"))
                });
                check(&rows, 1100);
            });
        },
    );
}

#[test]
fn ten_thousand_texts() {
    #[track]
    async fn tracked(pool: &SqlitePool, number: u32) {
        let sql = AssertSqlSafe(format!("SELECT {number} AS c"));
        let query = sqlx::query(sql).persistent(false);
        query.execute(pool).await.unwrap();
    }
    flat(
        "ten_thousand_texts",
        1_100,
        async || pool_of(1).await,
        async |pool, number| {
            tracked(pool, number).await;
            // For untracked code, 1,000 texts are kept.
            let sql = AssertSqlSafe(format!("SELECT {number} AS d"));
            let query = sqlx::query(sql).persistent(false);
            query.execute(&**pool).await.unwrap();
        },
    );
}

#[test]
fn texts_that_are_long() {
    #[track]
    async fn tracked(pool: &SqlitePool, number: u32) {
        // The alias is as long as the text: neither is kept in full.
        let sql = AssertSqlSafe(format!("SELECT {number} AS {}", "e".repeat(1 << 16)));
        let query = sqlx::query(sql).persistent(false);
        query.execute(pool).await.unwrap();
    }
    flat(
        "texts_that_are_long",
        // Of these texts, 32 are kept, truncated.
        40,
        async || pool_of(1).await,
        async |pool, number| tracked(pool, number).await,
    );
}
