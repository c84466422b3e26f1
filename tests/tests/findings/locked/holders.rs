//! A handle of this process has the lock for writing.

use plain_sqlx::Executor as _;
use sqlx::leash::{Certainty, PoolExt};
use sqlx::{SqlitePool, track};

use super::{COUNT, Delete, File, Open, POST, Wal, assert_finding, here, messages, refused};
use crate::common::{TestPool, assert_helps, marked, related};

type Result<T = ()> = sqlx::Result<T>;

#[track]
async fn posts(pool: &SqlitePool) -> Result {
    sqlx::query(POST).execute(pool).await?; // @posts
    Ok(())
}

#[tokio::test]
async fn a_transaction_of_another_task() {
    for journal in [Wal, Delete] {
        let pool = messages(journal).await;
        let open = Open::writer(&pool).await;
        let finding = refused(posts(&pool)).await;
        let cause = "the transaction of findings::locked::writes has had the lock for writing for";
        assert_finding(
            &finding,
            &marked("posts", "execute"),
            Certainty::Certain,
            cause,
        );
        assert!(
            finding.cause.contains("and has not been used for"),
            "{}",
            finding.cause
        );
        related(&finding, &here("writer begin", "begin"));
        related(&finding, &here("writer write", "execute"));
        assert_helps(&finding, "before the first write or after `commit`");
        assert_helps(
            &finding,
            "`SqliteConnectOptions::busy_timeout(Duration::from_secs(30))`",
        );
        open.ends().await;
    }
}

/// A pool of another function on the same file, under another path.
#[tokio::test]
async fn a_transaction_of_another_pool() {
    let file = File::new(Wal).await;
    let one = TestPool::new(file.pool().await, ());
    let roundabout = file.folder.path().join(".").join("messages.sqlite");
    let options = sqlx::sqlite::SqlitePoolOptions::new();
    let other = options
        .connect_with(file.options().filename(roundabout))
        .await
        .unwrap();
    let open = Open::writer(&other).await;
    let finding = refused(posts(&one)).await;
    let cause = "the transaction of findings::locked::writes has had the lock";
    assert_finding(
        &finding,
        &marked("posts", "execute"),
        Certainty::Certain,
        cause,
    );
    open.ends().await;
}

#[track]
async fn posts_beside_its_own(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @own begin
    sqlx::query(POST).execute(&mut *tx).await?; // @own write
    posts(pool).await?;
    tx.commit().await
}

#[track]
async fn posts_beside_its_begin(pool: &SqlitePool) -> Result {
    let tx = pool.begin_with("BEGIN IMMEDIATE").await?; // @own immediate
    sqlx::query(POST).execute(pool).await?; // @own beside
    tx.commit().await
}

/// The connection was taken before the transaction.
#[track]
async fn posts_on_an_older_connection(pool: &SqlitePool) -> Result {
    let mut older = pool.acquire().await?;
    let mut tx = pool.begin().await?;
    sqlx::query(POST).execute(&mut *tx).await?;
    sqlx::query(POST).execute(&mut *older).await?; // @own older
    tx.commit().await
}

#[tokio::test]
async fn a_task_waits_for_itself() {
    let itself =
        "The same task keeps that transaction, which cannot end before this statement does";
    let pool = messages(Wal).await;
    let finding = refused(posts_beside_its_own(&pool)).await;
    assert_finding(
        &finding,
        &marked("posts", "execute"),
        Certainty::Certain,
        itself,
    );
    related(&finding, &marked("own begin", "begin"));
    related(&finding, &marked("own write", "execute"));
    assert_helps(&finding, "`&mut *tx`");

    let pool = messages(Delete).await;
    let finding = refused(posts_beside_its_begin(&pool)).await;
    assert_finding(
        &finding,
        &marked("own beside", "execute"),
        Certainty::Certain,
        itself,
    );
    related(&finding, &marked("own immediate", "begin_with"));

    let pool = messages(Wal).await;
    let finding = refused(posts_on_an_older_connection(&pool)).await;
    assert_finding(
        &finding,
        &marked("own older", "execute"),
        Certainty::Certain,
        itself,
    );
}

/// What it sends in its transaction takes no lock, because there is nothing to do.
#[track]
async fn makes_sure_of_the_table(pool: &SqlitePool, during: impl Future<Output = ()>) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS message (id)")
        .execute(&mut *tx)
        .await?;
    during.await;
    tx.rollback().await
}

/// A statement of the schema that finds nothing to do takes no lock: another process has it.
#[tokio::test]
async fn likely_where_the_lock_is_not_sure() {
    let file = File::new(Wal).await;
    let pool = TestPool::new(file.pool().await, ());
    let mut stranger = file.stranger().await;
    stranger.execute("BEGIN IMMEDIATE").await.unwrap();
    let elsewhere = SqlitePool::clone(&pool);
    let during = async {
        let finding = tokio::spawn(async move { refused(posts(&elsewhere)).await });
        let cause = "may have had the lock for writing";
        let finding = finding.await.unwrap();
        assert_finding(
            &finding,
            &marked("posts", "execute"),
            Certainty::Likely,
            cause,
        );
    };
    makes_sure_of_the_table(&pool, during).await.unwrap();
}

#[tokio::test]
async fn another_process() {
    for journal in [Wal, Delete] {
        let file = File::new(journal).await;
        let pool = TestPool::new(file.pool().await, ());
        let mut stranger = file.stranger().await;
        stranger.execute("BEGIN IMMEDIATE").await.unwrap();
        let finding = refused(posts(&pool)).await;
        let cause = "no transaction of a pool in this process is known to have locked the database";
        assert_finding(
            &finding,
            &marked("posts", "execute"),
            Certainty::Likely,
            cause,
        );
        assert_helps(&finding, &format!("`lsof {}`", file.path().display()));
        let all = finding.render();
        assert!(!all.contains("without a wait"), "{all}");
    }
}

/// Another statement writes at the same time. Whether it has the lock, or waits for it as well, is not seen.
#[tokio::test]
async fn a_statement_that_runs_beside() {
    let file = File::new(Wal).await;
    let pool = TestPool::new(file.pool().await, ());
    let patient = file
        .options()
        .busy_timeout(std::time::Duration::from_mins(1));
    let patient = sqlx::sqlite::SqlitePoolOptions::new().connect_with(patient);
    let patient = TestPool::new(patient.await.unwrap(), ());
    let mut stranger = file.stranger().await;
    stranger.execute("BEGIN IMMEDIATE").await.unwrap();
    let elsewhere = SqlitePool::clone(&patient);
    let beside = tokio::spawn(async move { posts(&elsewhere).await });
    patient.has_handles(1).await;
    let finding = refused(posts(&pool)).await;
    let cause = "this process runs 1 other statement on the database that may write";
    assert_finding(
        &finding,
        &marked("posts", "execute"),
        Certainty::Likely,
        cause,
    );
    related(&finding, &marked("posts", "execute"));
    stranger.execute("ROLLBACK").await.unwrap();
    beside.await.unwrap().unwrap();
}

#[track]
async fn counts(pool: &SqlitePool) -> Result<i64> {
    sqlx::query_scalar(COUNT).fetch_one(pool).await // @counts
}

/// A reader is refused by a writer only with a rollback journal.
#[tokio::test]
async fn a_read() {
    let file = File::new(Delete).await;
    let pool = TestPool::new(file.pool().await, ());
    let mut stranger = file.stranger().await;
    stranger.execute("BEGIN EXCLUSIVE").await.unwrap();
    let finding = refused(counts(&pool)).await;
    let cause = "no transaction of a pool in this process is known";
    assert_finding(
        &finding,
        &marked("counts", "fetch_one"),
        Certainty::Likely,
        cause,
    );
    assert!(
        finding.notes[0].contains("the statement did not run"),
        "{}",
        finding.render()
    );
    assert_helps(
        &finding,
        "`SqliteConnectOptions::journal_mode(SqliteJournalMode::Wal)`",
    );
}

/// What plain sqlx does with a pool is not seen: the finding says that, and blames nobody.
#[tokio::test]
async fn a_pool_that_is_lent() {
    let pool = messages(Wal).await;
    let mut tx = pool.as_sqlx().begin_with("BEGIN IMMEDIATE").await.unwrap();
    plain_sqlx::query(POST).execute(&mut *tx).await.unwrap();
    let finding = refused(posts(&pool)).await;
    assert_finding(
        &finding,
        &marked("posts", "execute"),
        Certainty::Likely,
        "is known",
    );
    let is_lent = finding
        .notes
        .iter()
        .any(|note| note.contains("was handed to plain sqlx at"));
    assert!(is_lent, "{}", finding.render());
}
