//! A transaction that has read wants to write: SQLite refuses that at once.

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Level, Lint};
use sqlx::{Connection, SqlitePool, Transaction, track};

use super::{COUNT, Delete, File, Open, POST, Wal, assert_finding, here, messages, refused};
use crate::common::{
    Says, TestPool, assert_helps, assert_none, marked, note_panics, panics_about, related,
};

type Result<T = ()> = sqlx::Result<T>;

/// Another connection writes between the read and the write.
async fn is_overtaken(pool: &SqlitePool) {
    sqlx::query(POST).execute(pool).await.unwrap();
}

#[track]
async fn appends(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @upgrade begin
    let _: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *tx).await?; // @upgrade read
    is_overtaken(pool).await;
    sqlx::query(POST).execute(&mut *tx).await?; // @upgrade write
    tx.commit().await
}

#[tokio::test]
async fn after_another_one_has_written() {
    let pool = messages(Wal).await;
    let finding = refused(appends(&pool)).await;
    Says {
        lint: Lint::DatabaseLocked,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: marked("upgrade write", "execute"),
        function: Some("findings::locked::upgrade::appends"),
        title: &[
            "findings::locked::upgrade::appends sends `INSERT message` to pool",
            "and SQLite refuses it after",
            "the database is locked",
        ],
        related: &[
            (
                "the transaction begins here",
                marked("upgrade begin", "begin"),
            ),
            ("it has read here", marked("upgrade read", "fetch_one")),
        ],
        facts: &["code 517, SQLITE_BUSY_SNAPSHOT", "after 1 statement"],
        help: &[
            "`pool.begin_with(\"BEGIN IMMEDIATE\").await?`",
            "retry the whole transaction",
        ],
    }
    .check(&finding);
    assert!(
        finding.notes[0].contains("its transaction is still open"),
        "{}",
        finding.render()
    );
}

#[track]
async fn appends_beside(pool: &SqlitePool, writer: impl AsyncFnOnce() -> Open) -> Result<Open> {
    let mut tx = pool.begin().await?; // @beside begin
    let _: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *tx).await?; // @beside read
    let open = writer().await;
    let written = sqlx::query(POST).execute(&mut *tx).await; // @beside write
    let again: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *tx).await?;
    assert_eq!(again, 0, "the transaction is still open");
    open.ends().await;
    written?;
    unreachable!("it is refused")
}

#[tokio::test]
async fn while_another_one_has_the_lock() {
    for journal in [Wal, Delete] {
        let pool = messages(journal).await;
        let other = SqlitePool::clone(&pool);
        let finding = refused(async {
            let open = appends_beside(&pool, async || Open::writer(&other).await);
            open.await.map(|_| ())
        })
        .await;
        let primary = marked("beside write", "execute");
        assert_finding(&finding, &primary, Certainty::Certain, "has read before");
        related(&finding, &marked("beside begin", "begin"));
        related(&finding, &marked("beside read", "fetch_one"));
        related(&finding, &here("writer begin", "begin"));
        related(&finding, &here("writer write", "execute"));
        assert_helps(&finding, "`pool.begin_with(\"BEGIN IMMEDIATE\").await?`");
    }
}

/// The read was in a savepoint, on a connection, and in a callee.
#[track]
async fn appends_in_savepoints(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    let mut tx = conn.begin().await?; // @nested begin
    let mut reads = tx.begin().await?;
    counts(&mut reads).await?;
    reads.commit().await?;
    is_overtaken(pool).await;
    let mut writes = tx.begin().await?;
    sqlx::query(POST).execute(&mut *writes).await?; // @nested write
    writes.commit().await?;
    tx.commit().await
}

#[track]
async fn counts(tx: &mut Transaction<'_, sqlx::Sqlite>) -> Result<i64> {
    sqlx::query_scalar(COUNT).fetch_one(&mut **tx).await // @nested read
}

#[tokio::test]
async fn in_savepoints_of_a_connection() {
    let pool = messages(Wal).await;
    let finding = refused(appends_in_savepoints(&pool)).await;
    let primary = marked("nested write", "execute");
    assert_finding(
        &finding,
        &primary,
        Certainty::Certain,
        "another connection has written since",
    );
    related(&finding, &marked("nested begin", "begin"));
    related(&finding, &marked("nested read", "fetch_one"));
    assert_helps(&finding, "`conn.begin_with(\"BEGIN IMMEDIATE\").await?`");
}

/// In code that nothing tracks, and on a connection that belongs to no pool, the code of the error is the evidence.
async fn appends_untracked(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    let _: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *tx).await?;
    is_overtaken(pool).await;
    sqlx::query(POST).execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn appends_without_pool(pool: &SqlitePool, file: &File) -> Result {
    use sqlx::ConnectOptions as _;
    let mut conn = file.options().connect().await?;
    let mut tx = conn.begin().await?; // @bare begin
    let _: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *tx).await?;
    is_overtaken(pool).await;
    sqlx::query(POST).execute(&mut *tx).await?; // @bare write
    tx.commit().await
}

#[tokio::test]
async fn in_code_of_others_and_without_a_pool() {
    let file = File::new(Wal).await;
    let pool = file.pool().await;
    let finding = refused(appends_untracked(&pool)).await;
    assert_eq!(
        finding.certainty,
        Certainty::Certain,
        "{}",
        finding.render()
    );
    let finding = refused(appends_without_pool(&pool, &file)).await;
    let primary = marked("bare write", "execute");
    assert_finding(&finding, &primary, Certainty::Certain, "has read before");
    assert_eq!(finding.pool, None);
    related(&finding, &marked("bare begin", "begin"));
    assert_helps(&finding, "`conn.begin_with(\"BEGIN IMMEDIATE\").await?`");
}

#[track]
async fn appends_by_texts(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?; // @text begin
    let _: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *conn).await?; // @text read
    is_overtaken(pool).await;
    let written = sqlx::query(POST).execute(&mut *conn).await; // @text write
    sqlx::query("ROLLBACK").execute(&mut *conn).await?;
    written.map(drop)
}

#[tokio::test]
async fn in_a_transaction_begun_by_a_text() {
    let pool = messages(Wal).await;
    let finding = refused(appends_by_texts(&pool)).await;
    let primary = marked("text write", "execute");
    assert_finding(&finding, &primary, Certainty::Certain, "has read before");
    related(&finding, &marked("text begin", "execute"));
    related(&finding, &marked("text read", "fetch_one"));
    assert_helps(&finding, "`BEGIN IMMEDIATE` in place of `BEGIN`");
}

/// Its first statement reads no table, and so takes no lock: it may have read in the second one.
#[track]
async fn appends_after_two(pool: &SqlitePool, writer: impl AsyncFnOnce() -> Open) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    sqlx::query(COUNT).fetch_one(&mut *tx).await?;
    let open = writer().await;
    let written = sqlx::query(POST).execute(&mut *tx).await; // @two write
    open.ends().await;
    written?;
    tx.commit().await
}

#[tokio::test]
async fn likely_where_the_read_is_not_the_first_statement() {
    let pool = messages(Wal).await;
    let finding = refused(appends_after_two(&pool, async || Open::writer(&pool).await)).await;
    let primary = marked("two write", "execute");
    assert_finding(&finding, &primary, Certainty::Likely, "has read before");
}

#[track(deny(database_locked, reason = "a test"))]
async fn is_denied(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    let _: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *tx).await?;
    is_overtaken(pool).await;
    sqlx::query(POST).execute(&mut *tx).await?; // @denied write
    tx.commit().await
}

#[tokio::test]
async fn a_denied_one_panics_at_the_statement() {
    let pool = messages(Wal).await;
    note_panics();
    let inside = SqlitePool::clone(&pool);
    let panicked = tokio::spawn(async move { is_denied(&inside).await.is_err() }).await;
    assert_eq!(panicked.is_err(), cfg!(debug_assertions));
    if panicked.is_err() {
        let panics = panics_about(pool.name());
        assert_eq!(panics[0].0, marked("denied write", "execute"), "{panics:?}");
    }
    pool.assert_serves_all().await;
}

/// The corrected forms.
#[track]
async fn appends_immediately(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let _: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *tx).await?;
    sqlx::query(POST).execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn appends_in_the_other_order(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(POST).execute(&mut *tx).await?;
    let _: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *tx).await?;
    tx.commit().await
}

#[tokio::test]
async fn the_corrected_forms_wait_and_succeed() {
    for journal in [Wal, Delete] {
        let pool: TestPool = messages(journal).await;
        let all = async {
            let two = futures::future::join(appends_immediately(&pool), appends_immediately(&pool));
            let others = futures::future::join(
                appends_in_the_other_order(&pool),
                appends_in_the_other_order(&pool),
            );
            futures::future::join(two, others).await
        };
        let (((one, two), (three, four)), found): (_, Vec<Finding>) = findings(Box::pin(all)).await;
        one.and(two).and(three).and(four).unwrap();
        assert_none(&found);
    }
}
