//! What stays on a connection of SQLite, and what does not.

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Level, Lint};
use sqlx::{Connection, Sqlite, SqlitePool, track};

use crate::common::{Says, assert_none, declared, marked, only, pool};

use super::{check, sent, sent_raw};

#[track]
async fn imports(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?; // @taken for a table
    sqlx::query("CREATE TEMPORARY TABLE line (text)")
        .execute(&mut *conn) // @a table
        .await?;
    sqlx::query("INSERT INTO line VALUES ('a secret')")
        .execute(&mut *conn)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_temporary_table() {
    let pool = pool().await;
    let (imported, found) = findings(imports(&pool)).await;
    imported.unwrap();
    let found = only(found);
    Says {
        lint: Lint::SessionState,
        level: Level::Warn,
        certainty: Certainty::Likely,
        primary: marked("a table", "execute"),
        function: Some("findings::session::sqlite::imports"),
        title: &["leaves a temporary table", "goes back to pool", pool.name()],
        related: &[
            (
                "the connection is taken here",
                marked("taken for a table", "acquire"),
            ),
            ("it goes back in this function", declared("imports")),
        ],
        facts: &["statement CREATE TABLE line"],
        help: &["DROP TABLE line", "conn.close_on_drop()"],
    }
    .check(&found);
    assert!(!found.render().contains("secret"), "a literal is shown");
}

#[tokio::test]
async fn each_kind() {
    let pool = pool().await;
    let found = sent!(Sqlite, pool, "PRAGMA foreign_keys = OFF");
    check(
        found,
        "leaves the setting of `PRAGMA foreign_keys`",
        "SqliteConnectOptions::foreign_keys",
    );
    let found = sent!(Sqlite, pool, "PRAGMA cache_size(10)");
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "SqliteConnectOptions::pragma(\"cache_size\"",
    );
    let found = sent!(Sqlite, pool, "ATTACH ':memory:' AS other");
    check(found, "leaves an attached database", "DETACH");
    let found = sent!(
        Sqlite,
        pool,
        "CREATE TEMP TABLE IF NOT EXISTS scratch AS SELECT 1 AS a"
    );
    check(found, "leaves a temporary table", "DROP TABLE scratch");
}

#[tokio::test]
async fn what_does_not_stay_or_is_undone() {
    let pool = pool().await;
    assert_none(&sent!(Sqlite, pool, "PRAGMA foreign_keys"));
    assert_none(&sent!(Sqlite, pool, "PRAGMA table_info(exam)"));
    assert_none(&sent!(Sqlite, pool, "PRAGMA journal_mode = WAL"));
    assert_none(&sent!(Sqlite, pool, "PRAGMA user_version = 7"));
    assert_none(&sent!(Sqlite, pool, "PRAGMA optimize"));
    assert_none(&sent!(
        Sqlite,
        pool,
        "PRAGMA foreign_keys = OFF",
        "DELETE FROM exam",
        "PRAGMA foreign_keys = ON",
    ));
    assert_none(&sent!(
        Sqlite,
        pool,
        "CREATE TEMP TABLE undone_1 (a)",
        "DROP TABLE undone_1",
    ));
    assert_none(&sent!(
        Sqlite,
        pool,
        "CREATE TEMP TABLE undone_2 (a)",
        "DROP TABLE IF EXISTS temp.undone_2",
    ));
    assert_none(&sent!(
        Sqlite,
        pool,
        "ATTACH ':memory:' AS undone_3",
        "DETACH DATABASE undone_3",
    ));
    assert_none(&sent_raw!(
        Sqlite,
        pool,
        "CREATE TEMP TABLE undone_4 (a); INSERT INTO undone_4 VALUES (1); DROP TABLE undone_4"
    ));
}

#[track]
async fn rolls_back_a_table(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("CREATE TEMP TABLE rolled_back (a)")
        .execute(&mut *tx)
        .await?;
    tx.rollback().await
}

#[track]
async fn drops_a_table(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("CREATE TEMP TABLE dropped (a)")
        .execute(&mut *tx)
        .await?;
    sqlx::query("no SQL").execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn commits_a_table(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("CREATE TEMP TABLE committed (a)")
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

#[track]
async fn switches_keys_off_in_vain(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("PRAGMA foreign_keys = OFF")
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

#[track]
async fn rolls_a_pragma_back_in_vain(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("PRAGMA cache_size = 20")
        .execute(&mut *tx)
        .await?;
    tx.rollback().await
}

#[track]
async fn undoes_a_savepoint(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let mut savepoint = tx.begin().await?;
    sqlx::query("CREATE TEMP TABLE in_savepoint (a)")
        .execute(&mut *savepoint)
        .await?;
    savepoint.rollback().await?;
    tx.commit().await
}

#[track]
async fn undoes_a_savepoint_by_text(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("SAVEPOINT a").execute(&mut *tx).await?;
    sqlx::raw_sql("CREATE TEMP TABLE after_a (a); SAVEPOINT b")
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql("ROLLBACK TO a").execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn undoes_a_later_savepoint(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("SAVEPOINT a").execute(&mut *tx).await?;
    sqlx::raw_sql("CREATE TEMP TABLE before_b (a); SAVEPOINT b")
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql("ROLLBACK TO b").execute(&mut *tx).await?;
    tx.commit().await
}

#[tokio::test]
async fn with_the_transaction_in_which_it_was_set() {
    let pool = pool().await;
    let (done, found) = findings(rolls_back_a_table(&pool)).await;
    done.unwrap();
    assert_none(&found);
    let (done, found) = findings(drops_a_table(&pool)).await;
    done.unwrap_err();
    assert_none(&found);
    let (done, found) = findings(commits_a_table(&pool)).await;
    done.unwrap();
    check(found, "leaves a temporary table", "DROP TABLE committed");
    let (done, found) = findings(switches_keys_off_in_vain(&pool)).await;
    done.unwrap();
    assert_none(&found);
    let (done, found) = findings(rolls_a_pragma_back_in_vain(&pool)).await;
    done.unwrap();
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "old value",
    );
}

#[tokio::test]
async fn with_a_savepoint() {
    let pool = pool().await;
    let (done, found) = findings(undoes_a_savepoint(&pool)).await;
    done.unwrap();
    assert_none(&found);
    let (done, found) = findings(undoes_a_savepoint_by_text(&pool)).await;
    done.unwrap();
    assert_none(&found);
    let (done, found) = findings(undoes_a_later_savepoint(&pool)).await;
    done.unwrap();
    check(found, "leaves a temporary table", "DROP TABLE before_b");
}

#[track]
async fn closes(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("PRAGMA cache_size = 30")
        .execute(&mut *conn)
        .await?;
    conn.close().await
}

#[track]
async fn closes_on_drop(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    conn.close_on_drop();
    sqlx::query("PRAGMA cache_size = 30")
        .execute(&mut *conn)
        .await?;
    Ok(())
}

#[track]
async fn detaches(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("PRAGMA cache_size = 30")
        .execute(&mut *conn)
        .await?;
    conn.detach().close().await
}

#[track]
async fn of_a_closed_pool(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("PRAGMA cache_size = 30")
        .execute(&mut *conn)
        .await?;
    let closed = pool.close();
    drop(conn);
    closed.await;
    Ok(())
}

#[track]
async fn of_no_pool() -> sqlx::Result<()> {
    let mut conn = sqlx::SqliteConnection::connect("sqlite::memory:").await?;
    sqlx::query("PRAGMA cache_size = 30")
        .execute(&mut conn)
        .await?;
    Ok(())
}

#[track]
async fn fails_to_set(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    let failed = sqlx::query("CREATE TEMP TABLE broken (a, a)").execute(&mut *conn);
    assert!(failed.await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_connection_that_does_not_go_back() {
    let pool = pool().await;
    for (done, found) in [
        findings(closes(&pool)).await,
        findings(closes_on_drop(&pool)).await,
        findings(detaches(&pool)).await,
        findings(fails_to_set(&pool)).await,
        findings(of_no_pool()).await,
        findings(of_a_closed_pool(&pool)).await,
    ] {
        done.unwrap();
        assert_none(&found);
    }
}
