//! Functions that take an executor, in all the forms in which people write the bound.

use std::fmt::Debug;

use futures::TryStreamExt;
use sqlx::{
    Acquire, ColumnIndex, Database, Decode, Encode, Executor, FromRow, IntoArguments, Pool, Row,
    Sqlite, SqliteConnection, SqliteExecutor, SqlitePool, Transaction, Type,
};

use super::clinic::{self, Patient};

async fn by_impl(executor: impl Executor<'_, Database = Sqlite>) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(executor)
        .await
}

async fn by_alias(executor: impl SqliteExecutor<'_>) -> sqlx::Result<Vec<Patient>> {
    sqlx::query_as("SELECT id, name, age FROM patient ORDER BY id")
        .fetch_all(executor)
        .await
}

async fn by_parameter<'e, E>(executor: E, id: i64) -> sqlx::Result<Option<Patient>>
where
    E: Executor<'e, Database = Sqlite>,
{
    sqlx::query_as("SELECT id, name, age FROM patient WHERE id = ?")
        .bind(id)
        .fetch_optional(executor)
        .await
}

async fn by_alias_parameter<'c, E: SqliteExecutor<'c>>(executor: E) -> sqlx::Result<u64> {
    let done = executor.execute("UPDATE patient SET age = 1").await?;
    Ok(done.rows_affected())
}

async fn copied<'c, E>(executor: E) -> sqlx::Result<(i64, usize)>
where
    E: SqliteExecutor<'c> + Copy,
{
    let count = by_impl(executor).await?;
    Ok((count, by_alias(executor).await?.len()))
}

async fn any_database<'c, DB, E>(executor: E, sql: &'static str) -> sqlx::Result<usize>
where
    DB: Database,
    E: Executor<'c, Database = DB>,
{
    Ok(executor.fetch_all(sql).await?.len())
}

async fn any_row<'c, DB, E, T>(executor: E, sql: &'static str) -> sqlx::Result<Vec<T>>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    E: Executor<'c, Database = DB>,
    T: for<'r> FromRow<'r, DB::Row> + Send + Unpin,
{
    sqlx::query_as::<DB, T>(sql).fetch_all(executor).await
}

async fn any_first<'c, DB, E>(executor: E, sql: &'static str, id: i64) -> sqlx::Result<i64>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    E: Executor<'c, Database = DB>,
    i64: for<'r> Decode<'r, DB> + for<'q> Encode<'q, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let row = sqlx::query(sql).bind(id).fetch_one(executor).await?;
    row.try_get(0)
}

/// Reborrows the connection for every query.
async fn again_and_again<C>(conn: &mut C) -> sqlx::Result<i64>
where
    for<'e> &'e mut C: Executor<'e, Database = Sqlite>,
{
    let before: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(&mut *conn)
        .await?;
    sqlx::query("INSERT INTO patient (name) VALUES ('again')")
        .execute(&mut *conn)
        .await?;
    let after = by_impl(conn).await?;
    Ok(after - before)
}

async fn again_in_any_database<DB, C>(conn: &mut C, sql: &'static str) -> sqlx::Result<usize>
where
    DB: Database,
    for<'e> &'e mut C: Executor<'e, Database = DB>,
{
    conn.execute(sql).await?;
    let rows = conn.fetch_all(sql).await?.len();
    let mut stream = conn.fetch(sql);
    let mut streamed = 0;
    while stream.try_next().await?.is_some() {
        streamed += 1;
    }
    assert_eq!(rows, streamed);
    Ok(rows)
}

async fn connection_of_any_database<DB>(conn: &mut DB::Connection) -> sqlx::Result<()>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    conn.execute("SELECT 1").await?;
    conn.execute("SELECT 2").await?;
    Ok(())
}

async fn pool_of_any_database<DB>(pool: &Pool<DB>) -> sqlx::Result<u32>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut conn = pool.acquire().await?;
    connection_of_any_database::<DB>(&mut conn).await?;
    let mut tx = pool.begin().await?;
    connection_of_any_database::<DB>(&mut tx).await?;
    tx.commit().await?;
    Ok(pool.size())
}

#[tokio::test]
async fn every_executor_in_every_function() -> sqlx::Result<()> {
    let pool = clinic::open(2).await;
    let mut conn = pool.acquire().await?;

    assert_eq!(by_impl(&pool).await?, 3);
    assert_eq!(by_impl(&mut *conn).await?, 3);
    assert_eq!(by_alias(&pool).await?.len(), 3);
    assert_eq!(by_alias(&mut *conn).await?[2].name, "Barbara");
    assert_eq!(by_alias(conn.as_mut()).await?.len(), 3);
    assert_eq!(by_parameter(&pool, 2).await?.unwrap().age, Some(85));
    assert_eq!(by_parameter(&mut *conn, 9).await?, None);
    assert_eq!(copied(&pool).await?, (3, 3));
    assert_eq!(any_database(&pool, "SELECT 1").await?, 1);
    assert_eq!(any_database(&mut *conn, "SELECT 1").await?, 1);
    let pairs: Vec<(i64, String)> = any_row(&pool, "SELECT id, name FROM patient").await?;
    assert_eq!(pairs[0], (1, "Ada".to_owned()));
    assert_eq!(any_first(&pool, "SELECT ? + 1", 41).await?, 42);
    assert_eq!(any_first(&mut *conn, "SELECT ? + 1", 1).await?, 2);
    assert_eq!(again_and_again(&mut *conn).await?, 1);
    assert_eq!(again_in_any_database(&mut *conn, "SELECT 1").await?, 1);
    connection_of_any_database::<Sqlite>(&mut conn).await?;
    drop(conn);

    let mut tx = pool.begin().await?;
    assert_eq!(by_impl(&mut *tx).await?, 4);
    assert_eq!(by_alias(&mut *tx).await?.len(), 4);
    assert_eq!(by_alias(tx.as_mut()).await?.len(), 4);
    assert_eq!(by_parameter(&mut *tx, 1).await?.unwrap().name, "Ada");
    assert_eq!(any_database(&mut *tx, "SELECT 1").await?, 1);
    assert_eq!(again_and_again(&mut *tx).await?, 1);
    assert_eq!(again_in_any_database(&mut *tx, "SELECT 1").await?, 1);
    assert_eq!(by_alias_parameter(&mut *tx).await?, 5);
    tx.rollback().await?;

    assert_eq!(by_impl(&pool).await?, 4);
    assert!(pool_of_any_database(&pool).await? <= 2);
    Ok(())
}

#[tokio::test]
async fn functions_that_are_given_a_transaction() -> sqlx::Result<()> {
    async fn within(tx: &mut Transaction<'_, Sqlite>) -> sqlx::Result<i64> {
        let first = by_impl(&mut **tx).await?;
        let second = by_impl(tx.as_mut()).await?;
        let third = again_and_again(&mut **tx).await?;
        Ok(first + second + third)
    }

    let pool = clinic::in_memory().await;
    let mut tx = pool.begin().await?;
    assert_eq!(within(&mut tx).await?, 7);
    tx.commit().await
}

async fn acquiring(from: impl Acquire<'_, Database = Sqlite>) -> sqlx::Result<i64> {
    let mut conn = from.acquire().await?;
    let first = by_impl(&mut *conn).await?;
    let second = direct(&mut conn).await?;
    Ok(first + second)
}

async fn direct(conn: &mut SqliteConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM exam")
        .fetch_one(conn)
        .await
}

async fn beginning<'a, A>(from: A, name: &str) -> sqlx::Result<()>
where
    A: Acquire<'a, Database = Sqlite>,
{
    let mut tx = from.begin().await?;
    sqlx::query("INSERT INTO patient (name) VALUES (?)")
        .bind(name)
        .execute(&mut *tx)
        .await?;
    direct(&mut tx).await?;
    tx.commit().await
}

async fn acquiring_any<'a, A, DB>(from: A) -> sqlx::Result<usize>
where
    A: Acquire<'a, Database = DB>,
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut conn = from.acquire().await?;
    conn.execute("SELECT 1").await?;
    Ok((&mut *conn).fetch_all("SELECT 1").await?.len())
}

async fn beginning_any<'a, A, DB>(from: A) -> sqlx::Result<()>
where
    A: Acquire<'a, Database = DB> + Send,
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut tx = from.begin().await?;
    tx.execute("SELECT 1").await?;
    tx.rollback().await
}

#[tokio::test]
async fn all_that_can_be_acquired_from() -> sqlx::Result<()> {
    let pool = clinic::open(2).await;
    assert_eq!(acquiring(&pool).await?, 6);
    beginning(&pool, "pool").await?;
    assert_eq!(acquiring_any(&pool).await?, 1);
    beginning_any(&pool).await?;

    let mut conn = pool.acquire().await?;
    assert_eq!(acquiring(&mut conn).await?, 7);
    assert_eq!(acquiring(&mut *conn).await?, 7);
    beginning(&mut conn, "pooled").await?;
    beginning(&mut *conn, "plain").await?;
    assert_eq!(acquiring_any(&mut conn).await?, 1);
    assert_eq!(acquiring_any(&mut *conn).await?, 1);
    beginning_any(&mut conn).await?;
    drop(conn);

    let mut tx = pool.begin().await?;
    assert_eq!(acquiring(&mut tx).await?, 9);
    beginning(&mut tx, "transaction").await?;
    beginning(&mut *tx, "in it").await?;
    beginning_any(&mut tx).await?;
    assert_eq!(acquiring(&mut *tx).await?, 11);
    tx.rollback().await?;
    assert_eq!(clinic::patients(&pool).await, 6);
    Ok(())
}

/// Calls every method of the trait on any implementor.
async fn every_method<C>(conn: &mut C) -> sqlx::Result<()>
where
    for<'e> &'e mut C: Executor<'e, Database = Sqlite>,
{
    use sqlx::{Either, SqlSafeStr, Statement};

    let inserted = conn
        .execute("INSERT INTO patient (name) VALUES ('x'), ('y')")
        .await?;
    assert_eq!(inserted.rows_affected(), 2);

    let done: Vec<_> = conn
        .execute_many("UPDATE patient SET age = 2 WHERE name = 'x'; DELETE FROM patient WHERE name IN ('x', 'y')")
        .try_collect()
        .await?;
    let affected: u64 = done.iter().map(|done| done.rows_affected()).sum();
    assert_eq!((done.len(), affected), (2, 3));

    let rows: Vec<_> = conn
        .fetch(sqlx::query("SELECT id FROM patient WHERE id < ?").bind(3))
        .try_collect()
        .await?;
    assert_eq!(rows.len(), 2);

    let (mut results, mut rows) = (0, 0);
    let mut stream = conn.fetch_many("SELECT id FROM patient; SELECT id FROM exam; SELECT 1");
    while let Some(step) = stream.try_next().await? {
        match step {
            Either::Left(_) => results += 1,
            Either::Right(_) => rows += 1,
        }
    }
    drop(stream);
    assert_eq!((results, rows), (3, 7));

    assert_eq!(conn.fetch_all("SELECT * FROM patient").await?.len(), 3);
    let row = conn.fetch_one("SELECT 42").await?;
    assert_eq!(row.get::<i64, _>(0), 42);
    let error = conn
        .fetch_one("SELECT 1 WHERE 0")
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, sqlx::Error::RowNotFound));
    assert!(conn.fetch_optional("SELECT 1 WHERE 0").await?.is_none());

    let statement = conn.prepare("SELECT ? AS answer".into_sql_str()).await?;
    assert_eq!(statement.parameters().unwrap().unwrap_right(), 1);
    let row = statement.query().bind(5).fetch_one(&mut *conn).await?;
    assert_eq!(row.get::<i64, _>("answer"), 5);
    let statement = conn.prepare_with("SELECT ?".into_sql_str(), &[]).await?;
    let answer: i64 = statement
        .query_scalar()
        .bind(6)
        .fetch_one(&mut *conn)
        .await?;
    assert_eq!(answer, 6);
    let described = conn
        .describe("SELECT id, name FROM patient".into_sql_str())
        .await?;
    assert_eq!(described.columns().len(), 2);
    Ok(())
}

#[tokio::test]
async fn every_method_of_every_executor() -> sqlx::Result<()> {
    use sqlx::{SqlSafeStr, Statement};

    let pool = clinic::in_memory().await;
    every_method(&mut *pool.acquire().await?).await?;
    let mut tx = pool.begin().await?;
    every_method(&mut *tx).await?;
    tx.rollback().await?;
    let mut detached = pool.acquire().await?.detach();
    detached.execute("SELECT 1").await?;
    drop(detached);

    let pool: &SqlitePool = &clinic::in_memory().await;
    let done: Vec<_> = pool
        .execute_many("SELECT 1; SELECT 2")
        .try_collect()
        .await?;
    assert_eq!(done.len(), 2);
    assert_eq!(
        pool.fetch_many("SELECT 1; SELECT 2")
            .try_fold(0, async |n, _| Ok(n + 1))
            .await?,
        4
    );
    assert_eq!(pool.fetch_all("SELECT * FROM exam").await?.len(), 3);
    assert!(pool.fetch_optional("SELECT 1 WHERE 0").await?.is_none());
    let statement = pool.prepare("SELECT ?".into_sql_str()).await?;
    let answer: (i64,) = statement.query_as().bind(7).fetch_one(pool).await?;
    assert_eq!(answer.0, 7);
    assert_eq!(
        pool.describe("SELECT 1, 2".into_sql_str())
            .await?
            .columns()
            .len(),
        2
    );
    Ok(())
}

fn is_debug<'c>(executor: impl Executor<'c>) -> String {
    fn show(value: impl Debug) -> String {
        format!("{value:?}")
    }
    show(executor)
}

#[tokio::test]
async fn executors_are_debug() {
    let pool = clinic::in_memory().await;
    assert!(is_debug(&pool).starts_with("Pool {"));
    assert!(!is_debug(&mut *pool.acquire().await.unwrap()).is_empty());
}

#[tokio::test]
async fn closures_and_function_pointers() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let count = async |executor: &SqlitePool| by_impl(executor).await;
    assert_eq!(count(&pool).await?, 3);
    let queries = ["SELECT 1", "SELECT 2"];
    let answers = futures::future::try_join_all(
        queries
            .iter()
            .map(|sql| sqlx::query_scalar::<_, i64>(*sql).fetch_one(&pool)),
    )
    .await?;
    assert_eq!(answers, [1, 2]);
    Ok(())
}
