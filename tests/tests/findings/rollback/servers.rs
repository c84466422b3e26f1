//! On PostgreSQL and MariaDB.

use futures::FutureExt;
use sqlx::leash::Certainty;
use sqlx::leash::testing::findings;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::{MySqlPool, PgPool, track};

use crate::common::{Place, TestPool, assert_none, declared, marked, only};

use super::check;

#[track]
async fn pg_makes_a_table(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap(); // @pg table
    sqlx::query("CREATE TABLE more (id INT)")
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[track]
async fn pg_moves_rows(pool: &PgPool) -> sqlx::Result<i64> {
    let mut tx = pool.begin().await?; // @pg moves
    sqlx::query_scalar("WITH gone AS (DELETE FROM exam RETURNING id) SELECT count(*) FROM gone")
        .fetch_one(&mut *tx)
        .await
}

#[track]
async fn pg_returning(pool: &PgPool) -> sqlx::Result<i32> {
    let mut tx = pool.begin().await?; // @pg returning
    sqlx::query_scalar("INSERT INTO exam VALUES (1) RETURNING id")
        .fetch_one(&mut *tx) // @pg returned
        .await
}

#[track]
async fn pg_commit_that_fails(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO twice VALUES (1), (1)")
        .execute(&mut *tx)
        .await
        .unwrap();
    // The constraint is checked at the commit. Code that sees the error knows that nothing was written.
    assert!(tx.commit().await.is_err());
}

#[tokio::test]
async fn on_postgres() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let pool = PgPoolOptions::new().connect(db.url()).await.unwrap();
    let pool = TestPool::of(pool);
    sqlx::raw_sql(
        "CREATE TABLE exam (id INT); CREATE TABLE twice (id INT UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    )
    .execute(&*pool)
    .await
    .unwrap();

    let ((), found) = findings(pg_makes_a_table(&pool)).await;
    assert_eq!(
        Place::from(&only(found).primary),
        marked("pg table", "begin")
    );

    let (_, found) = findings(pg_returning(&pool)).await;
    check(
        found,
        &marked("pg returning", "begin"),
        &marked("pg returned", "fetch_one"),
        "pg_returning",
        &declared("pg_returning"),
    );

    // The one row is the SELECT's: the driver does not report how many rows the DELETE found.
    let (_, found) = findings(pg_moves_rows(&pool)).await;
    let found = only(found);
    assert_eq!(Place::from(&found.primary), marked("pg moves", "begin"));
    assert_eq!(found.certainty, Certainty::Likely);

    let ((), found) = findings(pg_commit_that_fails(&pool)).await;
    assert_none(&found);
}

#[track]
async fn my_inserts(pool: &MySqlPool) {
    let mut tx = pool.begin().await.unwrap(); // @my insert
    sqlx::query("INSERT INTO exam VALUES (1)")
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[track]
async fn my_makes_a_table(pool: &MySqlPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO exam VALUES (2)")
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("CREATE TABLE more (id INT)")
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("INSERT INTO exam VALUES (3)")
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[track]
async fn my_makes_a_table_that_is_there(pool: &MySqlPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO exam VALUES (4)")
        .execute(&mut *tx)
        .await
        .unwrap();
    let failed = sqlx::query("CREATE TABLE exam (id INT)")
        .execute(&mut *tx)
        .await;
    assert!(failed.is_err());
}

#[track]
async fn my_makes_a_table_for_a_while(pool: &MySqlPool) {
    let mut tx = pool.begin().await.unwrap(); // @my temporary
    sqlx::query("INSERT INTO exam VALUES (5)")
        .execute(&mut *tx) // @my kept apart
        .await
        .unwrap();
    for text in [
        "CREATE TEMPORARY TABLE scratch (id INT)",
        "DROP TEMPORARY TABLE scratch",
    ] {
        sqlx::query(text).execute(&mut *tx).await.unwrap();
    }
}

#[tokio::test]
async fn on_mariadb_which_commits_before_it_changes_the_schema() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let pool = MySqlPoolOptions::new().connect(db.url()).await.unwrap();
    let pool = TestPool::of(pool);
    sqlx::raw_sql("CREATE TABLE exam (id INT)")
        .execute(&*pool)
        .await
        .unwrap();

    let ((), found) = findings(my_inserts(&pool)).await;
    assert_eq!(
        Place::from(&only(found).primary),
        marked("my insert", "begin")
    );

    for silent in [
        my_makes_a_table(&pool).boxed(),
        my_makes_a_table_that_is_there(&pool).boxed(),
    ] {
        let ((), found) = findings(silent).await;
        assert_none(&found);
    }

    let ((), found) = findings(my_makes_a_table_for_a_while(&pool)).await;
    check(
        found,
        &marked("my temporary", "begin"),
        &marked("my kept apart", "execute"),
        "my_makes_a_table_for_a_while",
        &declared("my_makes_a_table_for_a_while"),
    );

    // The server keeps exactly the rows that the lint takes for kept.
    let mut kept: Vec<i32> = sqlx::query_scalar("SELECT id FROM exam")
        .fetch_all(&*pool)
        .await
        .unwrap();
    kept.sort_unstable();
    assert_eq!(kept, [2, 3, 4]);
}
