//! On servers, whose drivers encode arguments in other ways. The help is of each database.

use sqlx::{MySqlPool, PgPool};

use super::*;

/// Reads, reads the same again, and writes, in loops; on the database of this pool type.
macro_rules! on {
    ($name:ident, $server:ident, $Pool:ty, $by_id:literal, $insert:literal, $read_help:literal, $write_help:literal) => {
        mod $name {
            use super::*;

            #[track]
            async fn reads(pool: &$Pool) -> sqlx::Result<()> {
                for id in 0..12_i64 {
                    let query = sqlx::query($by_id).bind(id).bind("x");
                    query.fetch_all(pool).await?;
                }
                Ok(())
            }

            #[track]
            async fn reads_again(pool: &$Pool) -> sqlx::Result<()> {
                for _ in 0..5 {
                    let query = sqlx::query($by_id).bind(1_i64).bind("x");
                    query.fetch_all(pool).await?;
                }
                Ok(())
            }

            #[track]
            async fn writes(pool: &$Pool) -> sqlx::Result<()> {
                for id in 0..12_i64 {
                    let query = sqlx::query($insert).bind(id);
                    query.execute(pool).await?;
                }
                Ok(())
            }

            #[tokio::test]
            async fn finds_what_repeats() {
                let Some(db) = leash_test_support::$server().await else {
                    return;
                };
                let pool = TestPool::of(<$Pool>::connect(db.url()).await.unwrap());
                sqlx::raw_sql("CREATE TABLE measured (id BIGINT, name TEXT)")
                    .execute(&*pool)
                    .await
                    .unwrap();
                let helps = |found: &Finding, help: &str| {
                    assert!(
                        found.help.iter().any(|it| it.contains(help)),
                        "{}",
                        found.render()
                    );
                };
                let (done, found) = findings(reads(&pool)).await;
                done.unwrap();
                let found = only(found);
                assert_eq!(
                    (found.lint, found.certainty),
                    (Lint::NPlusOne, Certain),
                    "{}",
                    found.render()
                );
                helps(&found, $read_help);
                let (done, found) = findings(reads_again(&pool)).await;
                done.unwrap();
                let found = only(found);
                assert_eq!(
                    (found.lint, found.certainty),
                    (Lint::RedundantQuery, Likely),
                    "{}",
                    found.render()
                );
                let (done, found) = findings(writes(&pool)).await;
                done.unwrap();
                let found = only(found);
                assert_eq!(
                    (found.lint, found.certainty),
                    (Lint::NPlusOne, Likely),
                    "{}",
                    found.render()
                );
                helps(&found, $write_help);
            }
        }
    };
}

on!(
    postgres,
    postgres,
    PgPool,
    "SELECT * FROM measured WHERE id = $1 AND name = $2",
    "INSERT INTO measured VALUES ($1, 'x')",
    "= ANY($1)",
    "UNNEST"
);
on!(
    mysql,
    mysql,
    MySqlPool,
    "SELECT * FROM measured WHERE id = ? AND name = ?",
    "INSERT INTO measured VALUES (?, 'x')",
    "IN (…)",
    "push_values"
);
