//! Leaks of every kind of handle: connections, transactions, savepoints, streams.

use std::sync::Mutex;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::leash::{self};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Acquire, Executor, QueryBuilder, Sqlite, SqlitePool, track};

use crate::common::{HUNDRED, TestPool, Tx, declared, leaks, of_leaks, pool};

type Rows = BoxStream<'static, sqlx::Result<SqliteRow>>;

#[tokio::test]
async fn a_connection_leaked_without_a_reason() {
    #[track]
    async fn leak_it(pool: &SqlitePool) -> sqlx::Result<()> {
        let connection = pool.acquire().await?; // @leak
        let mut plain = connection.leak();
        plain.execute("SELECT 1").await?;
        Ok(())
    }
    let pool = pool().await;
    let name = "leaks::handles::a_connection_leaked_without_a_reason::leak_it";
    leaks("leak", "acquire", name, leak_it(&pool))
        .await
        .0
        .unwrap();
    assert_eq!(pool.stats().leaked, 1);
}

#[tokio::test]
async fn a_connection_kept() {
    #[track]
    async fn keep_connection(pool: &SqlitePool, kept: &Mutex<Vec<PoolConnection<Sqlite>>>) {
        let connection = pool.acquire().await.unwrap(); // @connection
        kept.lock().unwrap().push(connection);
    }
    let kept = Mutex::default();
    let name = "leaks::handles::a_connection_kept::keep_connection";
    let ((), finding) = leaks(
        "connection",
        "acquire",
        name,
        keep_connection(&*pool().await, &kept),
    )
    .await;
    assert!(finding.title.contains("a connection"), "{finding}");
    assert_eq!(
        Some((finding.related[0].site.line, finding.related[0].site.column)),
        {
            let place = declared("keep_connection");
            Some((place.line, place.column))
        }
    );
}

#[tokio::test]
async fn a_connection_taken_by_try_acquire() {
    #[track]
    async fn keep_tried(pool: &SqlitePool, kept: &mut Vec<PoolConnection<Sqlite>>) {
        kept.push(pool.try_acquire().expect("one is idle")); // @try
    }
    let pool = pool().await;
    pool.has_idle(1).await;
    let mut kept = Vec::new();
    let name = "leaks::handles::a_connection_taken_by_try_acquire::keep_tried";
    leaks("try", "try_acquire", name, keep_tried(&pool, &mut kept)).await;
}

#[tokio::test]
async fn transactions_begun_in_other_ways() {
    #[track]
    async fn begun_with(pool: &SqlitePool, kept: &mut Vec<Tx>) {
        kept.push(pool.begin_with("BEGIN IMMEDIATE").await.unwrap()); // @begin_with
    }
    #[track]
    async fn begun_if_idle(pool: &SqlitePool, kept: &mut Vec<Tx>) {
        kept.extend(pool.try_begin().await.unwrap()); // @try_begin
    }
    #[track]
    async fn begun_by_the_trait(pool: &SqlitePool, kept: &mut Vec<Tx>) {
        kept.push(Acquire::begin(pool).await.unwrap()); // @trait begin
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    let module = "leaks::handles::transactions_begun_in_other_ways";
    leaks(
        "begin_with",
        "begin_with",
        &format!("{module}::begun_with"),
        begun_with(&pool, &mut kept),
    )
    .await;
    kept.clear();
    pool.has_idle(1).await;
    leaks(
        "try_begin",
        "try_begin",
        &format!("{module}::begun_if_idle"),
        begun_if_idle(&pool, &mut kept),
    )
    .await;
    kept.clear();
    leaks(
        "trait begin",
        "begin",
        &format!("{module}::begun_by_the_trait"),
        begun_by_the_trait(&pool, &mut kept),
    )
    .await;
}

#[tokio::test]
async fn a_connection_from_a_generic_acquire() {
    #[track]
    async fn keep_generic<'a, A>(from: A, kept: &Mutex<Vec<A::Connection>>)
    where
        A: Acquire<'a, Database = Sqlite>,
    {
        let connection = from.acquire().await.unwrap(); // @generic
        kept.lock().unwrap().push(connection);
    }
    let pool = pool().await;
    let kept = Mutex::default();
    let name = "leaks::handles::a_connection_from_a_generic_acquire::keep_generic";
    leaks("generic", "acquire", name, keep_generic(&*pool, &kept)).await;
}

#[tokio::test]
async fn a_transaction_with_a_savepoint_inside() {
    #[track]
    async fn keep_after_savepoint(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?; // @savepoint
        let savepoint = tx.begin().await?;
        savepoint.commit().await?;
        kept.push(tx);
        Ok(())
    }
    let mut kept = Vec::new();
    let name = "leaks::handles::a_transaction_with_a_savepoint_inside::keep_after_savepoint";
    leaks(
        "savepoint",
        "begin",
        name,
        keep_after_savepoint(&*pool().await, &mut kept),
    )
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn a_savepoint_forgotten_with_its_transaction() {
    #[track]
    #[expect(clippy::mem_forget, reason = "the test is about forgetting")]
    async fn forget_both(pool: &SqlitePool) {
        let tx = Box::leak(Box::new(pool.begin().await.unwrap())); // @forgotten savepoint
        std::mem::forget(tx.begin().await.unwrap());
    }
    let pool = pool().await;
    let name = "leaks::handles::a_savepoint_forgotten_with_its_transaction::forget_both";
    leaks("forgotten savepoint", "begin", name, forget_both(&pool)).await;
    assert_eq!(pool.handles()[0].transaction_depth, 2);
}

#[tokio::test]
async fn streams_half_read() {
    #[track]
    async fn half_query(pool: &SqlitePool, kept: &mut Vec<Rows>) {
        let mut rows = sqlx::query(HUNDRED).fetch(pool); // @stream
        rows.try_next().await.unwrap().unwrap();
        kept.push(rows);
    }
    #[track]
    async fn half_query_as<'p>(
        pool: &'p SqlitePool,
        kept: &mut Vec<BoxStream<'p, sqlx::Result<(i64,)>>>,
    ) {
        let mut rows = sqlx::query_as(HUNDRED).fetch(pool); // @query_as
        let (first,): (i64,) = rows.next().await.unwrap().unwrap();
        assert_eq!(first, 1);
        kept.push(rows);
    }
    #[track]
    async fn half_by_executor(pool: &SqlitePool, kept: &mut Vec<Rows>) {
        let mut rows = pool.fetch(HUNDRED); // @executor
        rows.try_next().await.unwrap().unwrap();
        kept.push(rows);
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    let ((), finding) = leaks(
        "stream",
        "fetch",
        "leaks::handles::streams_half_read::half_query",
        half_query(&pool, &mut kept),
    )
    .await;
    assert!(finding.title.contains("a row stream"), "{finding}");
    assert!(
        finding
            .facts
            .iter()
            .any(|fact| fact.value.contains("1 row")),
        "{finding}"
    );
    let name = "leaks::handles::streams_half_read::half_by_executor";
    leaks(
        "executor",
        "fetch",
        name,
        half_by_executor(&pool, &mut kept),
    )
    .await;
    let mut kept = Vec::new();
    leaks(
        "query_as",
        "fetch",
        "leaks::handles::streams_half_read::half_query_as",
        half_query_as(&pool, &mut kept),
    )
    .await;
}

#[tokio::test]
async fn a_stream_of_a_query_builder() {
    #[track]
    async fn half_builder(
        pool: &'static SqlitePool,
        builder: &'static mut QueryBuilder<Sqlite>,
        kept: &mut Vec<Rows>,
    ) {
        let mut rows = builder.build().fetch(pool); // @builder
        rows.try_next().await.unwrap().unwrap();
        kept.push(rows);
    }
    let pool: &'static TestPool = Box::leak(Box::new(pool().await));
    let builder = Box::leak(Box::new(QueryBuilder::new(HUNDRED)));
    let mut kept = Vec::new();
    let name = "leaks::handles::a_stream_of_a_query_builder::half_builder";
    leaks(
        "builder",
        "fetch",
        name,
        half_builder(pool, builder, &mut kept),
    )
    .await;
}

#[tokio::test]
async fn two_handles_are_two_findings() {
    #[track]
    async fn keep_two(pool: &SqlitePool, kept: &mut Vec<PoolConnection<Sqlite>>) {
        for _ in 0..2 {
            kept.push(pool.acquire().await.unwrap());
        }
    }
    let mut kept = Vec::new();
    let ((), findings) = leash::testing::findings(keep_two(&*pool().await, &mut kept)).await;
    assert_eq!(of_leaks(findings).len(), 2);
}
