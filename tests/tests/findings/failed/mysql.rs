//! MySQL and MariaDB roll a transaction back as a whole at a few errors, and otherwise the statement alone.

use sqlx::leash::testing::findings;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, MySql, MySqlConnection, MySqlPool, track};

use super::{check, none, only_failed};
use crate::common::{TestPool, marked, related};

type Result = sqlx::Result<()>;

const CHANGE: &str = "UPDATE stock SET n = n + 1 WHERE id = 1";

async fn on_mariadb() -> Option<(leash_test_support::Db, TestPool<MySql>)> {
    let db = leash_test_support::mysql().await?;
    let options = MySqlPoolOptions::new().max_connections(2);
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    let stock = "CREATE TABLE stock (id INT PRIMARY KEY, n INT); INSERT INTO stock VALUES (1, 0), (2, 0), (3, 0)";
    sqlx::raw_sql(stock).execute(&*pool).await.unwrap();
    Some((db, pool))
}

/// A connection on which a transaction fails at a row that another one has changed since it was read. MariaDB alone.
async fn changed_row(pool: &MySqlPool) -> sqlx::Result<PoolConnection<MySql>> {
    let mut conn = pool.acquire().await?;
    let isolation = "SET SESSION innodb_snapshot_isolation = ON";
    sqlx::raw_sql(isolation).execute(&mut *conn).await?;
    Ok(conn)
}

#[track]
async fn meets_a_changed_row(pool: &MySqlPool) -> Result {
    let mut conn = changed_row(pool).await?;
    let mut tx = conn.begin().await?;
    let lost = "UPDATE stock SET n = 9 WHERE id = 2";
    sqlx::query(lost).execute(&mut *tx).await?; // @my lost
    let read = "SELECT n FROM stock WHERE id = 1";
    let _: i32 = sqlx::query_scalar(read).fetch_one(&mut *tx).await?;
    changes_beside(pool).await?;
    assert!(sqlx::query(CHANGE).execute(&mut *tx).await.is_err()); // @my changed
    let saved = "UPDATE stock SET n = 9 WHERE id = 3";
    sqlx::query(saved).execute(&mut *tx).await?; // @my saved
    tx.commit().await
}

async fn changes_beside(pool: &MySqlPool) -> Result {
    let changed = sqlx::query(CHANGE).execute(pool).await;
    changed.map(drop)
}

#[track]
async fn begins_anew_by_text(pool: &MySqlPool) -> Result {
    let mut conn = changed_row(pool).await?;
    for attempt in 0..2 {
        sqlx::query("START TRANSACTION").execute(&mut *conn).await?;
        let read = "SELECT n FROM stock WHERE id = 1";
        let _: i32 = sqlx::query_scalar(read).fetch_one(&mut *conn).await?;
        if attempt == 0 {
            changes_beside(pool).await?;
        }
        let changed = sqlx::query(CHANGE).execute(&mut *conn).await;
        assert_eq!(changed.is_ok(), attempt == 1);
    }
    sqlx::query("COMMIT").execute(&mut *conn).await?;
    Ok(())
}

#[tokio::test]
async fn a_row_that_was_changed_meanwhile() {
    let Some((_db, pool)) = on_mariadb().await else {
        return;
    };
    let (committed, found) = findings(meets_a_changed_row(&pool)).await;
    committed.unwrap();
    let finding = only_failed(found.clone());
    related(&finding, &marked("my changed", "execute"));
    let lost = related(&finding, &marked("my lost", "execute"));
    assert!(lost.label.contains("are not saved"), "{}", lost.label);
    assert!(
        finding.cause.contains("changed the row"),
        "{}",
        finding.cause
    );
    check(
        found,
        &marked("my saved", "execute"),
        "sends `UPDATE stock`",
    );
    let half = "SELECT CAST(SUM(n = 9) AS SIGNED) FROM stock";
    let half: i64 = sqlx::query_scalar(half).fetch_one(&*pool).await.unwrap();
    assert_eq!(half, 1, "half of it is saved");
    none(findings(begins_anew_by_text(&pool)).await);
}

/// A lock wait that times out undoes the statement alone.
#[track]
async fn waits_in_vain(pool: &MySqlPool, url: &str) -> Result {
    let mut other = MySqlConnection::connect(url).await?;
    let mut holds = other.begin().await?;
    sqlx::query(CHANGE).execute(&mut *holds).await?;
    let mut tx = pool.begin().await?;
    let limit = "SET SESSION innodb_lock_wait_timeout = 1";
    sqlx::raw_sql(limit).execute(&mut *tx).await?;
    let kept = "UPDATE stock SET n = 5 WHERE id = 2";
    sqlx::query(kept).execute(&mut *tx).await?;
    assert!(sqlx::query(CHANGE).execute(&mut *tx).await.is_err());
    tx.commit().await?;
    holds.rollback().await
}

/// An error that the program raises itself has the SQLSTATE of a deadlock, and undoes nothing.
#[track]
async fn raises_an_error(pool: &MySqlPool) -> Result {
    let mut tx = pool.begin().await?;
    let raise = "SIGNAL SQLSTATE '40001' SET MESSAGE_TEXT = 'again'";
    assert!(sqlx::raw_sql(raise).execute(&mut *tx).await.is_err());
    sqlx::query(CHANGE).execute(&mut *tx).await?;
    tx.commit().await
}

/// Each of these commits the transaction that the text has begun.
#[track]
async fn commits_by_the_way(pool: &TestPool<MySql>) -> Result {
    let mut conn = pool.acquire().await?;
    for text in [
        "LOCK TABLES stock WRITE",
        "FLUSH TABLES",
        "ANALYZE TABLE stock",
        "BEGIN",
        "CREATE TABLE other (id INT)",
    ] {
        sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
        sqlx::query(CHANGE).execute(&mut *conn).await?;
        sqlx::raw_sql(text).execute(&mut *conn).await?;
        let handles = sqlx::leash::snapshot().handles;
        let mut handles = handles.iter().filter(|handle| handle.pool == pool.name());
        let open = handles.any(|handle| handle.transaction.is_some());
        assert_eq!(open, text == "BEGIN", "{text}");
        sqlx::raw_sql("UNLOCK TABLES").execute(&mut *conn).await?;
    }
    sqlx::raw_sql("COMMIT").execute(&mut *conn).await?;
    Ok(())
}

#[tokio::test]
async fn near_misses() {
    let Some((db, pool)) = on_mariadb().await else {
        return;
    };
    none(findings(waits_in_vain(&pool, db.url())).await);
    none(findings(raises_an_error(&pool)).await);
    none(findings(commits_by_the_way(&pool)).await);
}
