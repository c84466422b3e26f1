//! `off` counts nothing, and the environment applies before the first pool.

use std::sync::{Arc, Mutex};

use leash_tests::in_child;
use sqlx::leash::{self, Lint};
use sqlx::{Connection, Executor, SqliteConnection, SqlitePool, track};

use crate::common::{pool, rows_of};

/// When switched off, nothing is counted or listed, and everything works.
#[test]
fn off_counts_nothing() {
    let _ = in_child(
        "config::off::off_counts_nothing",
        &[("SQLX_LEASH", "off")],
        |runtime| {
            runtime.block_on(async {
                #[track]
                async fn works(pool: &SqlitePool) -> sqlx::Result<i64> {
                    let mut tx = pool.begin().await?;
                    tx.execute("INSERT INTO exam (name) VALUES ('x')").await?;
                    let count = sqlx::query_scalar("SELECT count(*) FROM exam")
                        .fetch_one(&mut *tx)
                        .await?;
                    tx.commit().await?;
                    Ok(count)
                }
                let pool = pool().await;
                let (count, counted) = leash::testing::counting(works(&pool)).await;
                assert_eq!((count.unwrap(), counted), (1, 0));
                let _held = pool.acquire().await.unwrap();
                pool.assert_empty();
                assert_eq!(rows_of("config::off::off_counts_nothing::works").len(), 0);
                let snapshot = leash::snapshot();
                assert_eq!(
                    (
                        snapshot.sites.len(),
                        snapshot.tracker.live,
                        snapshot.tracker.rows
                    ),
                    (0, 0, 0)
                );
                assert_eq!(pool.stats().acquired, 0);
            });
        },
    );
}

/// Two statements of a program that has a connection but no pool.
#[track]
async fn without_a_pool() -> sqlx::Result<()> {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await?;
    for _ in 0..2 {
        sqlx::query("SELECT 1").execute(&mut connection).await?;
    }
    connection.close().await
}

#[test]
fn the_environment_holds_without_a_pool() {
    let variables = [(
        "SQLX_LEASH",
        "query_budget=warn:1,slow_query=1ns,held_idle=soon",
    )];
    let test = "config::off::the_environment_holds_without_a_pool";
    let printed = in_child(test, &variables, |runtime| {
        let received = Arc::new(Mutex::new(Vec::new()));
        leash::on_finding({
            let received = Arc::clone(&received);
            move |finding| received.lock().unwrap().push(finding.lint)
        });
        runtime.block_on(without_a_pool()).unwrap();
        assert_eq!(
            *received.lock().unwrap(),
            [Lint::SlowQuery, Lint::QueryBudget, Lint::SlowQuery]
        );
    });
    assert_eq!(printed.err.matches("`soon`").count(), 1, "{}", printed.err);
}

#[test]
fn off_counts_nothing_without_a_pool() {
    let test = "config::off::off_counts_nothing_without_a_pool";
    let _ = in_child(test, &[("SQLX_LEASH", "off")], |runtime| {
        runtime.block_on(without_a_pool()).unwrap();
        assert!(leash::snapshot().sites.is_empty());
    });
}
