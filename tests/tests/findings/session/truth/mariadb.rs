//! MariaDB.

use sqlx::{Connection, MySql, MySqlConnection, Row};

use super::agree;

/// The session's variables and what else it has. A temporary table is not listed anywhere.
async fn state(conn: &mut MySqlConnection) -> Vec<String> {
    let state = "SELECT CONCAT(variable_name, '=', variable_value) FROM information_schema.session_variables
        WHERE variable_name NOT REGEXP 'gtid|rand_seed|_count$|^timestamp$|identity|insert_id|thread_id'
        UNION ALL SELECT CONCAT_WS(' ', DATABASE(), CURRENT_ROLE(), IS_USED_LOCK('jobs') = CONNECTION_ID(),
            IS_USED_LOCK('more') = CONNECTION_ID())";
    let rows = sqlx::raw_sql(state).fetch_all(&mut *conn).await.unwrap();
    let mut state: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    // With a lock on tables, no other table can be read.
    let other = sqlx::raw_sql("SELECT * FROM other").execute(conn).await;
    state.push(format!("{}", other.is_ok()));
    state
}

const CHANGES: &[&str] = &[
    "SET sql_mode = 'ANSI'",
    "SET SESSION sql_mode = \"ANSI\"",
    "SET LOCAL sql_mode := 'ANSI'",
    "SET @@session.sql_mode = ''",
    "SET @@sql_mode = ''",
    "SET @old = @@sql_mode, sql_mode = ''",
    "SET time_zone = 'SYSTEM', lc_time_names = 'de_DE'",
    "SET @@wait_timeout = 61, @@SESSION.interactive_timeout = 62",
    "SET innodb_lock_wait_timeout = 3, @x := 5",
    "SET group_concat_max_len = 2048",
    "SET foreign_key_checks = 0",
    "SET foreign_key_checks = OFF, unique_checks = OFF; SET unique_checks = ON",
    "SET autocommit = 0",
    "SET max_statement_time = 5",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET LOCAL TRANSACTION READ ONLY",
    "SET tx_isolation = 'SERIALIZABLE'",
    "SET NAMES latin1",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET CHARACTER SET latin1",
    "USE information_schema",
    "BEGIN; SET sort_buffer_size = 100000; ROLLBACK",
    "LOCK TABLES exam READ",
    "LOCK TABLE exam AS e WRITE",
    "DO GET_LOCK('jobs', 5)",
    "SELECT GET_LOCK(\"jobs\", 5) = 1 AS got",
    "SET @got = (SELECT GET_LOCK('jobs', 5))",
    "SELECT IF(GET_LOCK('jobs', 5), 1, 0)",
    "SELECT GET_LOCK('jobs', 5), GET_LOCK('more', 5); SELECT RELEASE_LOCK('jobs')",
    "START TRANSACTION; SELECT GET_LOCK('jobs', 5); COMMIT",
];

const STAYS: &[&str] = &[
    "SET GLOBAL slow_launch_time = 2, long_query_time = 10",
    "SET @@GLOBAL.slow_launch_time = 2",
    "SET @a = 1, @b := (SELECT MAX(id) FROM exam)",
    "SET @@tx_isolation = 'SERIALIZABLE'",
    "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
    "SET STATEMENT max_statement_time = 5 FOR SELECT 1",
    "SET NAMES utf8mb4",
    "SET time_zone = '+00:00'",
    "SET autocommit = 1, foreign_key_checks = ON",
    "SET @old = @@foreign_key_checks, foreign_key_checks = 0; SET foreign_key_checks = @old",
    "SET unique_checks = 0; SET unique_checks = 1",
    "SET SESSION wait_timeout = 60; SET wait_timeout = DEFAULT",
    "SET tx_read_only = 1; SET SESSION TRANSACTION READ WRITE",
    "LOCK TABLES exam WRITE; INSERT INTO exam VALUES (1); UNLOCK TABLES",
    "LOCK TABLES exam WRITE; START TRANSACTION; COMMIT",
    "SELECT GET_LOCK('jobs', 5); SELECT 1; SELECT RELEASE_LOCK('jobs')",
    "SELECT GET_LOCK('jobs', 5), GET_LOCK('more', 5); SELECT RELEASE_ALL_LOCKS()",
    "SELECT GET_LOCK('jobs', -1)",
    "SELECT GET_LOCK('jobs', 5) FROM other",
    "SELECT IS_FREE_LOCK('jobs'), IS_USED_LOCK('jobs')",
    "BEGIN NOT ATOMIC SELECT 1; COMMIT; END",
    "SELECT 'SET sql_mode = 1; USE x' AS `set` # ; SET sql_mode = ''",
    "SHOW VARIABLES LIKE 'sql_mode'",
];

#[tokio::test]
async fn agrees_with_mariadb() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let mut conn = MySqlConnection::connect(db.url()).await.unwrap();
    let tables = "CREATE TABLE exam (id INT); CREATE TABLE other (id INT)";
    sqlx::raw_sql(tables).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    agree!(MySql, db.url(), state, changes: true, CHANGES);
    agree!(MySql, db.url(), state, changes: false, STAYS);
}
