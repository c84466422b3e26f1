//! A transaction that a text has begun, and none has ended.

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Level, Lint};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{MySql, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, track};

use crate::common::{
    Place, Says, TestPool, assert_helps, assert_none, connect, declared, in_child_under, marked,
    only, options, pool,
};

use super::{sent, sent_raw, sent_to_pool};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('a secret')";

/// The only finding is about an open transaction, with this certainty.
#[track_caller]
fn check_open(found: Vec<Finding>, certainty: Certainty) -> Finding {
    let found = only(found);
    let all = found.render();
    assert_eq!(found.lint, Lint::SessionState, "{all}");
    assert_eq!(found.certainty, certainty, "{all}");
    assert!(found.title.contains("a transaction"), "{all}");
    found
}

#[track]
async fn uploads(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?; // @upload
    sqlx::query("BEGIN").execute(&mut *conn).await?; // @begin by text
    sqlx::query(INSERT).execute(&mut *conn).await?; // @written in it
    Ok(())
}

#[tokio::test]
async fn is_certain() {
    let pool = pool().await;
    let (done, found) = findings(uploads(&pool)).await;
    done.unwrap();
    let found = only(found);
    Says {
        lint: Lint::SessionState,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: marked("begin by text", "execute"),
        function: Some("findings::session::open::uploads"),
        title: &["leaves a transaction open on a connection that goes back to pool"],
        related: &[
            (
                "the changes of this statement are not saved so far",
                marked("written in it", "execute"),
            ),
            ("the connection is taken here", marked("upload", "acquire")),
            ("it goes back in this function", declared("uploads")),
        ],
        facts: &[
            "statement BEGIN",
            "after 1 statement",
            "last write INSERT exam",
        ],
        help: &["pool.begin()", "ROLLBACK", "conn.close_on_drop()"],
    }
    .check(&found);
    assert!(!found.render().contains("secret"), "a literal is shown");
}

#[track]
async fn fails_in_it(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    may_fail()?;
    sqlx::query("COMMIT").execute(&mut *conn).await?;
    Ok(())
}

fn may_fail() -> sqlx::Result<()> {
    Err(sqlx::Error::RowNotFound)
}

#[tokio::test]
async fn also_after_an_error() {
    let pool = pool().await;
    let (failed, found) = findings(fails_in_it(&pool)).await;
    failed.unwrap_err();
    let found = check_open(found, Certainty::Certain);
    assert_helps(&found, "pool.begin_with(\"BEGIN IMMEDIATE\")");
    assert!(
        found.cause.contains("no other connection can write"),
        "{}",
        found.cause
    );
}

#[tokio::test]
async fn whatever_begins_it() {
    // Each leaves a connection that no other can use.
    let found = sent!(Sqlite, pool().await, "SAVEPOINT a", "SELECT 1");
    check_open(found, Certainty::Certain);
    let found = sent_raw!(Sqlite, pool().await, "BEGIN; SELECT 1");
    check_open(found, Certainty::Certain);
    let found = sent_raw!(Sqlite, pool().await, "BEGIN; COMMIT; BEGIN");
    check_open(found, Certainty::Certain);
    let found = sent!(Sqlite, connect(options(1)).await, "BEGIN");
    check_open(found, Certainty::Certain);
}

#[tokio::test]
async fn what_is_set_in_it_is_a_part_of_it() {
    let pool = pool().await;
    let found = sent!(Sqlite, pool, "BEGIN", "CREATE TEMP TABLE inside (a)");
    check_open(found, Certainty::Certain);
}

/// Code without the attribute.
async fn commits_unseen(conn: &mut SqliteConnection) {
    use sqlx::Executor as _;
    let commit = "COMMIT";
    conn.execute(commit).await.unwrap();
}

#[track]
async fn has_it_committed_unseen(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    commits_unseen(&mut conn).await;
    Ok(())
}

#[track]
async fn has_it_committed(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    commits(&mut conn).await
}

#[track]
async fn commits(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("COMMIT").execute(conn).await?;
    Ok(())
}

#[track]
async fn closes(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    conn.close_on_drop();
    Ok(())
}

#[track]
async fn begins_in_vain(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    assert!(sqlx::query("BEGIN").execute(&mut *tx).await.is_err());
    tx.commit().await
}

#[track]
async fn commits_a_value_by_text(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    sqlx::query("COMMIT").execute(&mut *tx).await?;
    Ok(())
}

#[tokio::test]
async fn one_that_has_ended() {
    let pool = pool().await;
    assert_none(&sent!(Sqlite, pool, "BEGIN", "DELETE FROM exam", "COMMIT"));
    assert_none(&sent!(
        Sqlite,
        pool,
        "BEGIN",
        "DELETE FROM exam",
        "END TRANSACTION"
    ));
    assert_none(&sent!(
        Sqlite,
        pool,
        "BEGIN",
        "DELETE FROM exam",
        "ROLLBACK"
    ));
    assert_none(&sent!(Sqlite, pool, "SAVEPOINT a", "RELEASE a"));
    assert_none(&sent_raw!(Sqlite, pool, "BEGIN; DELETE FROM exam; COMMIT"));
    for (done, found) in [
        findings(has_it_committed(&pool)).await,
        findings(closes(&pool)).await,
        findings(begins_in_vain(&pool)).await,
        findings(commits_a_value_by_text(&pool)).await,
    ] {
        done.unwrap();
        assert_none(&found);
    }
}

#[tokio::test]
async fn what_may_have_ended_it_is_a_doubt() {
    let pool = pool().await;
    let (done, found) = findings(has_it_committed_unseen(&pool)).await;
    done.unwrap();
    let found = check_open(found, Certainty::Likely);
    assert!(found.notes[0].contains("not seen"), "{}", found.render());

    let released = options(2).after_release(|_, _| Box::pin(async { Ok(true) }));
    let released = connect(released).await;
    let found = check_open(sent!(Sqlite, released, "BEGIN"), Certainty::Likely);
    assert!(
        found.notes[0].contains("after_release"),
        "{}",
        found.render()
    );

    let plain = SqlitePoolOptions::from(plain_sqlx::sqlite::SqlitePoolOptions::new());
    let plain = connect(plain).await;
    let found = check_open(sent!(Sqlite, plain, "BEGIN"), Certainty::Likely);
    assert!(found.notes[0].contains("not known"), "{}", found.render());
}

#[tokio::test]
async fn through_the_pool() {
    let pool = pool().await;
    let found = check_open(sent_to_pool!(Sqlite, pool, "BEGIN"), Certainty::Certain);
    assert!(
        found
            .title
            .contains("the next statement may run on another"),
        "{}",
        found.title
    );
    assert_helps(&found, "pool.begin()");
    let of_one = connect(options(1)).await;
    let found = check_open(sent_to_pool!(Sqlite, of_one, "BEGIN"), Certainty::Likely);
    assert!(
        found.title.contains("only connection goes back inside it"),
        "{}",
        found.title
    );
}

#[track(deny(session_state))]
async fn denied(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    Ok(())
}

#[track(deny(session_state))]
async fn denied_through_the_pool(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("BEGIN").execute(pool).await?; // @denied through the pool
    Ok(())
}

#[test]
fn at_deny_it_panics() {
    let test = "session::open::at_deny_it_panics";
    let printed = in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            let own = pool().await;
            let inside = SqlitePool::clone(&own);
            let task = tokio::spawn(async move { denied(&inside).await });
            assert_eq!(task.await.is_err(), cfg!(debug_assertions));
            // The first connection is still inside its transaction.
            let own = pool().await;
            let inside = SqlitePool::clone(&own);
            let task = tokio::spawn(async move { denied_through_the_pool(&inside).await });
            assert_eq!(task.await.is_err(), cfg!(debug_assertions));
        });
    });
    if cfg!(debug_assertions) {
        for place in [
            declared("denied"),
            marked("denied through the pool", "execute"),
        ] {
            let Place { file, line, column } = place;
            let at = format!("panicked at {file}:{line}:{column}:");
            assert!(printed.contains(&at), "no `{at}` in:\n{printed}");
        }
    }
}

#[track]
async fn goes_on_after_a_failure(pool: &PgPool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    let _ = sqlx::query("UPDATE nowhere SET a = 1")
        .execute(&mut *conn)
        .await;
    Ok(())
}

#[tokio::test]
async fn on_postgres() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let connect = async || TestPool::of(PgPoolOptions::new().connect(db.url()).await.unwrap());
    // Each leaves a connection that no other can use.
    let found = sent!(Postgres, connect().await, "START TRANSACTION");
    check_open(found, Certainty::Certain);
    let found = sent_raw!(Postgres, connect().await, "BEGIN; SET search_path TO a");
    check_open(found, Certainty::Certain);
    let found = sent_to_pool!(Postgres, connect().await, "BEGIN");
    check_open(found, Certainty::Certain);
    let fresh = connect().await;
    let (done, found) = findings(goes_on_after_a_failure(&fresh)).await;
    done.unwrap();
    let found = check_open(found, Certainty::Certain);
    assert!(
        found.cause.contains("the server has failed it"),
        "{}",
        found.cause
    );

    let pool = connect().await;
    assert_none(&sent!(Postgres, pool, "BEGIN", "ROLLBACK"));
    assert_none(&sent!(
        Postgres,
        pool,
        "BEGIN",
        "SET search_path TO a",
        "ROLLBACK",
    ));
    assert_none(&sent_raw!(
        Postgres,
        pool,
        "BEGIN; SET search_path TO a; ROLLBACK"
    ));
    assert_none(&sent!(
        Postgres,
        pool,
        "BEGIN",
        "SET LOCAL search_path TO a",
        "COMMIT",
    ));
}

#[tokio::test]
async fn on_mariadb() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let pool = TestPool::of(MySqlPoolOptions::new().connect(db.url()).await.unwrap());
    check_open(
        sent_raw!(MySql, pool, "START TRANSACTION"),
        Certainty::Certain,
    );
    check_open(sent_raw!(MySql, pool, "BEGIN"), Certainty::Certain);
    assert_none(&sent_raw!(
        MySql,
        pool,
        "BEGIN; CREATE TABLE committed (a INT)"
    ));
    assert_none(&sent_raw!(MySql, pool, "BEGIN; COMMIT"));
}
