//! What stays on a connection of MariaDB, and what does not.

use sqlx::leash::testing::findings;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{MySql, MySqlPool, track};

use crate::common::{TestPool, assert_none};

use super::{check, sent, sent_raw, sent_to_pool};

async fn on_mariadb() -> Option<TestPool<MySql>> {
    let db = leash_test_support::mysql().await?;
    let options = MySqlPoolOptions::new().max_connections(3);
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    let table = "CREATE TABLE exam (id INT)";
    sqlx::raw_sql(table).execute(&*pool).await.unwrap();
    Some(pool)
}

#[tokio::test]
async fn each_kind() {
    let Some(pool) = on_mariadb().await else {
        return;
    };
    let found = sent!(MySql, pool, "SET SESSION sql_mode = 'ANSI'");
    check(
        found,
        "leaves the setting of",
        "MySqlPoolOptions::after_connect",
    );
    let found = sent!(MySql, pool, "SET LOCAL sort_buffer_size = 100000");
    check(found, "sort_buffer_size", "= DEFAULT");
    let found = sent!(MySql, pool, "SELECT GET_LOCK('migrations', 5)");
    let found = check(found, "leaves a session lock (`GET_LOCK`)", "RELEASE_LOCK");
    assert!(!found.render().contains("migrations"), "{}", found.render());
    let found = sent!(MySql, pool, "CREATE TEMPORARY TABLE scratch (a INT)");
    check(found, "leaves a temporary table", "DROP TABLE scratch");
    // Where the connection is used again, the next statement fails.
    let found = sent_raw!(MySql, pool, "USE information_schema");
    check(
        found,
        "leaves another database",
        "MySqlConnectOptions::database",
    );
    let Some(pool) = on_mariadb().await else {
        return;
    };
    let found = sent_raw!(MySql, pool, "LOCK TABLES exam WRITE");
    check(found, "leaves table locks", "UNLOCK TABLES");
}

#[track]
async fn uses(pool: &MySqlPool, databases: &[&str]) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    for database in databases {
        let text = sqlx::AssertSqlSafe(format!("USE {database}"));
        sqlx::raw_sql(text).execute(&mut *conn).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_database_of_the_pool_is_no_other_one() {
    let Some(pool) = on_mariadb().await else {
        return;
    };
    let options = pool.connect_options();
    let own = options.get_database().unwrap();
    for databases in [&[own][..], &["information_schema", own]] {
        let (used, found) = findings(uses(&pool, databases)).await;
        used.unwrap();
        assert_none(&found);
    }
    let (used, found) = findings(uses(&pool, &[own, "information_schema"])).await;
    used.unwrap();
    check(
        found,
        "leaves another database",
        "MySqlConnectOptions::database",
    );
}

#[track]
async fn begins_after_it(pool: &MySqlPool) -> sqlx::Result<()> {
    use sqlx::Connection;
    let mut conn = pool.acquire().await?;
    sqlx::raw_sql("LOCK TABLES exam WRITE")
        .execute(&mut *conn)
        .await?;
    let tx = conn.begin().await?;
    tx.commit().await
}

#[track]
async fn rolls_back(pool: &MySqlPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET SESSION max_sort_length = 100")
        .execute(&mut *tx)
        .await?;
    tx.rollback().await
}

#[tokio::test]
async fn what_does_not_stay_or_is_undone() {
    let Some(pool) = on_mariadb().await else {
        return;
    };
    assert_none(&sent!(MySql, pool, "SET @total = 3"));
    assert_none(&sent!(
        MySql,
        pool,
        "SELECT GET_LOCK('a', 0)",
        "SELECT RELEASE_LOCK('a')"
    ));
    assert_none(&sent!(
        MySql,
        pool,
        "SELECT GET_LOCK('b', 1)",
        "DO RELEASE_LOCK('b')"
    ));
    assert_none(&sent!(
        MySql,
        pool,
        "SELECT GET_LOCK('c', 1)",
        "SELECT RELEASE_ALL_LOCKS()"
    ));
    assert_none(&sent_raw!(
        MySql,
        pool,
        "LOCK TABLES exam WRITE; UNLOCK TABLES"
    ));
    assert_none(&sent!(
        MySql,
        pool,
        "SET SESSION max_sort_length = 64",
        "SET SESSION max_sort_length = DEFAULT",
    ));
    assert_none(&sent!(
        MySql,
        pool,
        "SET foreign_key_checks = 0",
        "DELETE FROM exam",
        "SET foreign_key_checks = 1",
    ));
    assert_none(&sent!(
        MySql,
        pool,
        "CREATE TEMPORARY TABLE undone (a INT)",
        "DROP TEMPORARY TABLE undone",
    ));
    assert_none(&sent!(
        MySql,
        pool,
        "SET STATEMENT max_statement_time = 5 FOR SELECT 1",
    ));
    let (done, found) = findings(begins_after_it(&pool)).await;
    done.unwrap();
    assert_none(&found);
    let (done, found) = findings(rolls_back(&pool)).await;
    done.unwrap();
    check(found, "max_sort_length", "DEFAULT");
}

#[tokio::test]
async fn through_the_pool() {
    let Some(pool) = on_mariadb().await else {
        return;
    };
    let found = sent_to_pool!(MySql, pool, "SET SESSION sql_mode = ''");
    check(
        found,
        "sends the setting",
        "MySqlPoolOptions::after_connect",
    );
    let found = sent_to_pool!(MySql, pool, "SELECT GET_LOCK('d', 1)");
    check(
        found,
        "takes a session lock (`GET_LOCK`) through pool",
        "pool.acquire()",
    );
}
