//! What a test records depends on its call sites and texts, not on the number of statements, and is bounded.

use leash_tests::in_child;
use sqlx::leash::testing::{findings, statements};
use sqlx::{AssertSqlSafe, SqliteConnection, track};

use crate::HEAP;
use crate::common::{path_of, pool_of};

use super::SLACK;

#[track]
async fn same(connection: &mut SqliteConnection) {
    let sent = sqlx::query("SELECT 1").execute(connection);
    sent.await.unwrap();
}

/// A text of its own for each number.
#[track]
async fn differs(connection: &mut SqliteConnection, number: u32) {
    let sql = AssertSqlSafe(format!("SELECT {number} AS c"));
    sqlx::query(sql)
        .persistent(false)
        .execute(connection)
        .await
        .unwrap();
}

#[test]
fn statements_of_a_test() {
    const ROUNDS: u32 = 20_000;
    let _ = in_child(&path_of("statements_of_a_test"), &[], |runtime| {
        runtime.block_on(async {
            let pool = pool_of(1).await;
            let mut connection = pool.acquire().await.unwrap();
            let (sizes, sent) = statements(async {
                let mut sizes = Vec::new();
                for number in 0..ROUNDS {
                    same(&mut connection).await;
                    differs(&mut connection, number).await;
                    if number % (ROUNDS / 10) == ROUNDS / 10 - 1 {
                        sizes.push(HEAP.allocated());
                    }
                }
                sizes
            })
            .await;
            assert!(sizes[9] <= sizes[0] + SLACK, "{sizes:?}");
            assert_eq!(sent.calls(), 2 * u64::from(ROUNDS), "every call is counted");
            assert!(sent.rows.len() < 1_100, "{} rows", sent.rows.len());
            let calls = |sql: &str| {
                let row = sent.rows.iter().find(|row| row.sql == sql);
                row.map(|row| row.calls)
            };
            assert_eq!(calls("SELECT 1"), Some(u64::from(ROUNDS)));
            assert_eq!(calls("SELECT 900 AS c"), Some(1));
            let shared = calls("(further texts of this place)").unwrap();
            assert!(shared > u64::from(ROUNDS) * 9 / 10, "{shared}");
        });
    });
}

#[test]
fn findings_of_a_test() {
    #[track]
    async fn nests(pool: &sqlx::SqlitePool, times: u32) {
        let _held = pool.acquire().await.unwrap();
        for _ in 0..times {
            pool.acquire().await.unwrap();
        }
    }
    let _ = in_child(&path_of("findings_of_a_test"), &[], |runtime| {
        runtime.block_on(async {
            let pool = pool_of(2).await;
            let ((), found) = findings(nests(&pool, 11_000)).await;
            assert_eq!(found.len(), 10_000);
        });
    });
}
