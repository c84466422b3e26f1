//! SQLite.

use sqlx::{AssertSqlSafe, Connection, Row, Sqlite, SqliteConnection};

use super::agree;

const PRAGMAS: [&str; 16] = [
    "foreign_keys",
    "cache_size",
    "synchronous",
    "temp_store",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "journal_mode",
    "locking_mode",
    "busy_timeout",
    "legacy_alter_table",
    "ignore_check_constraints",
    "writable_schema",
    "trusted_schema",
    "journal_size_limit",
    "wal_autocheckpoint",
];

async fn state(conn: &mut SqliteConnection) -> Vec<String> {
    let mut state = Vec::new();
    for name in PRAGMAS {
        let text = AssertSqlSafe(format!("PRAGMA {name}"));
        let row = sqlx::raw_sql(text).fetch_one(&mut *conn).await.unwrap();
        let number = row.try_get::<i64, _>(0).map(|number| number.to_string());
        let value = number.unwrap_or_else(|_| row.get(0));
        // These are the file's.
        if !["wal", "delete"].contains(&&*value) {
            state.push(format!("{name}={value}"));
        }
    }
    let more =
        "SELECT 'a' LIKE 'A' UNION ALL SELECT name FROM pragma_database_list WHERE name <> 'temp'
        UNION ALL SELECT name FROM sqlite_temp_master";
    let rows = sqlx::raw_sql(more).fetch_all(conn).await.unwrap();
    let names = rows.iter().map(|row| row.try_get::<String, _>(0));
    state.extend(names.map(Result::unwrap_or_default));
    state
}

const CHANGES: &[&str] = &[
    "PRAGMA foreign_keys = OFF",
    "PRAGMA foreign_keys(0)",
    "PRAGMA main.cache_size = -64000",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA synchronous(0); SELECT 1",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA query_only = 1",
    "PRAGMA read_uncommitted = true",
    "PRAGMA recursive_triggers = yes",
    "PRAGMA journal_mode = MEMORY",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA busy_timeout = 100",
    "PRAGMA legacy_alter_table = on",
    "PRAGMA ignore_check_constraints = 1",
    "PRAGMA writable_schema = 'ON'",
    "PRAGMA trusted_schema = off",
    "PRAGMA journal_size_limit = 1000",
    "PRAGMA wal_autocheckpoint = 0",
    "BEGIN; PRAGMA cache_size = 10; ROLLBACK",
    "CREATE TEMP TABLE t (a)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS t AS SELECT 1 AS a",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE TEMP TRIGGER g AFTER INSERT ON exam BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM exam; END",
    "BEGIN; CREATE TEMP TABLE t (a); COMMIT",
    "ATTACH ':memory:' AS other",
    "ATTACH DATABASE ':memory:' AS 'other'",
];

const STAYS: &[&str] = &[
    "PRAGMA foreign_keys = ON",
    "PRAGMA foreign_keys",
    "PRAGMA foreign_keys = OFF; DELETE FROM exam; PRAGMA foreign_keys = ON",
    "BEGIN; PRAGMA foreign_keys = OFF; COMMIT",
    "PRAGMA defer_foreign_keys = ON",
    "PRAGMA query_only = 1; SELECT 1; PRAGMA query_only = 0",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA user_version = 7",
    "PRAGMA application_id = 7",
    "PRAGMA optimize",
    "PRAGMA table_info(exam)",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA writable_schema = ON; PRAGMA writable_schema = RESET",
    "CREATE TEMP TABLE t (a); INSERT INTO t VALUES (1); DROP TABLE t",
    "CREATE TEMP TABLE t (a); CREATE TEMP VIEW v AS SELECT 1; DROP VIEW v; DROP TABLE temp.t",
    "BEGIN; CREATE TEMP TABLE t (a); ROLLBACK",
    "BEGIN; SAVEPOINT a; CREATE TEMP TABLE t (a); ROLLBACK TO a; COMMIT",
    "SAVEPOINT a; CREATE TEMP TABLE t (a); ROLLBACK TO a; RELEASE a",
    "ATTACH ':memory:' AS other; DETACH DATABASE other",
    "SELECT 'ATTACH x AS y' AS \"temp\" -- ; CREATE TEMP TABLE t (a)",
    "INSERT INTO exam SELECT 1; DROP TABLE IF EXISTS temp",
];

#[tokio::test]
async fn agrees_with_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/x.db?mode=rwc", folder.path().display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let table = "CREATE TABLE exam (id INT)";
    sqlx::raw_sql(table).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    agree!(Sqlite, &url, state, changes: true, CHANGES);
    agree!(Sqlite, &url, state, changes: false, STAYS);
}
