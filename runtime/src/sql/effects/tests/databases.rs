//! Temporary tables, channels, default and attached databases, locks on tables.

use super::super::{Key, Kind, Undo};
use super::{all_set, all_undo, left, none, nothing_is_left};

#[test]
fn temporary_tables() {
    all_set(
        &["TempTable: CREATE TEMPORARY TABLE t"],
        &[
            "CREATE TEMP TABLE t (a INT)",
            "create temporary table t (a int)",
            "CREATE TEMPORARY TABLE IF NOT EXISTS t (a INT)",
            "CREATE OR REPLACE TEMPORARY TABLE t (a INT)",
            "CREATE GLOBAL TEMPORARY TABLE t (a INT)",
            "CREATE LOCAL TEMP TABLE t AS SELECT 1",
            "CREATE TEMP TABLE \"t\" (a INT) ON COMMIT PRESERVE ROWS",
            "CREATE TEMP TABLE t (a INT) ON COMMIT DELETE ROWS",
            "CREATE TEMPORARY TABLE app.t LIKE app.u",
            "CREATE TEMPORARY TABLE `app`.`t` SELECT * FROM u",
            "CREATE TABLE pg_temp.t (a INT)",
            "CREATE TABLE pg_temp.\"t\" (a INT)",
            "CREATE TEMP TABLE t (a DATE DEFAULT 'ON COMMIT DROP')",
        ],
    );
    all_set(
        &["TempTable: SELECT INTO TEMPORARY t"],
        &[
            "SELECT * INTO TEMP t FROM a",
            "SELECT a, b INTO TEMPORARY TABLE t FROM a WHERE b = 1",
            "WITH x AS (SELECT 1) SELECT * INTO TEMP TABLE t FROM x",
        ],
    );
    all_set(
        &["TempTable: CREATE TEMPORARY VIEW v"],
        &[
            "CREATE TEMP VIEW v AS SELECT 1",
            "CREATE OR REPLACE TEMP VIEW v AS SELECT 1",
            "CREATE TEMP RECURSIVE VIEW v (a) AS SELECT 1",
        ],
    );
    all_set(
        &["TempTable: CREATE TEMPORARY SEQUENCE s"],
        &["CREATE TEMP SEQUENCE s"],
    );
    all_set(
        &["TempTable: CREATE TEMPORARY TRIGGER g"],
        &["CREATE TEMP TRIGGER g AFTER INSERT ON a BEGIN DELETE FROM b; SELECT 1; END"],
    );
    let long = "x".repeat(65);
    all_set(
        &["TempTable: CREATE TEMPORARY TABLE"],
        &[&format!("CREATE TEMP TABLE {long} (a INT)")],
    );
    none(&[
        "CREATE TABLE t (a INT)",
        "CREATE TABLE temp (a INT)",
        "CREATE TABLE temp.t (a INT)",
        "CREATE OPERATOR === (PROCEDURE = f, LEFTARG = int)",
        "CREATE TABLE temporary (a INT)",
        "CREATE UNLOGGED TABLE t (a INT)",
        "CREATE TEMP TABLE t (a INT) ON COMMIT DROP",
        "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1",
        "CREATE TABLE IF NOT EXISTS temperature (a INT)",
        "CREATE INDEX temp ON t (a)",
        "INSERT INTO temp VALUES (1)",
        "INSERT INTO temp SELECT 1",
        "INSERT IGNORE INTO temp SELECT 1",
        "REPLACE INTO temp VALUES (1)",
        "MERGE INTO temp USING b ON a = c WHEN MATCHED THEN DELETE",
        "WITH x AS (SELECT 1) INSERT INTO temp SELECT * FROM x",
        "SELECT temp FROM t",
        "SELECT 'CREATE TEMP TABLE t'",
        "SELECT * INTO t FROM a",
        "SELECT a INTO @x FROM t",
        "CREATE TEMP",
        "CREATE",
        "SELECT replace(a, 'b', 'c') FROM temp",
    ]);
}

#[test]
fn temporary_tables_that_are_dropped() {
    let dropped = Undo::One(Kind::TempTable, Some(Key::of("t")));
    all_undo(
        dropped,
        &[
            "DROP TABLE t",
            "drop table if exists T",
            "DROP TABLE temp.t CASCADE",
            "DROP TEMPORARY TABLE t",
            "DROP VIEW t",
            "ALTER TABLE t RENAME TO u",
        ],
    );
    none(&[
        "DROP INDEX t",
        "DROP DATABASE t",
        "ALTER TABLE t RENAME COLUMN a TO b",
        "ALTER TABLE t ADD a INT",
        "DROP TABLE",
    ]);
    nothing_is_left(&[
        "CREATE TEMP TABLE t (a INT); INSERT INTO t VALUES (1); DROP TABLE t",
        "CREATE TEMP TABLE t (a INT); CREATE TEMP TABLE u (a INT); DROP TABLE a, u, T",
        "CREATE TEMP TABLE t (a INT); DROP TABLE IF EXISTS pg_temp.t",
        "SELECT 1 INTO TEMP t; DISCARD TEMP",
        "CREATE TEMP VIEW v AS SELECT 1; DROP VIEW v",
    ]);
    assert_eq!(
        left("DROP TABLE IF EXISTS t; CREATE TEMP TABLE t (a INT)"),
        ["CREATE TEMPORARY TABLE t"]
    );
}

#[test]
fn channels() {
    all_set(
        &["Listen: LISTEN jobs"],
        &["LISTEN jobs", "listen \"jobs\";"],
    );
    all_undo(
        Undo::One(Kind::Listen, Some(Key::of("jobs"))),
        &["UNLISTEN jobs", "unlisten \"jobs\""],
    );
    all_undo(Undo::All(Kind::Listen), &["UNLISTEN *"]);
    none(&[
        "NOTIFY jobs",
        "NOTIFY jobs, 'LISTEN x'",
        "SELECT listen FROM a",
        "SELECT * FROM listen",
        "SELECT pg_notify('listen', 'x')",
        "LISTEN",
    ]);
    nothing_is_left(&[
        "LISTEN a; LISTEN b; UNLISTEN *",
        "LISTEN a; UNLISTEN A",
        "LISTEN a; DISCARD ALL",
    ]);
}

#[test]
fn databases() {
    all_set(&["Database: USE app"], &["USE app", "use `app`;"]);
    none(&["SELECT * FROM a USE INDEX (b)", "USE", "SELECT use FROM a"]);
    all_set(
        &["Attached: ATTACH logs"],
        &[
            "ATTACH 'logs.db' AS logs",
            "ATTACH DATABASE ? AS logs",
            "attach database 'file:a?mode=ro' as \"logs\"",
            "ATTACH $1 AS logs",
        ],
    );
    all_set(&["Attached: ATTACH"], &["ATTACH 'a' AS 'logs'"]);
    all_set(&["Attached: ATTACH, unnamed"], &["ATTACH ? AS ?"]);
    all_undo(
        Undo::One(Kind::Attached, Some(Key::of("logs"))),
        &["DETACH logs", "DETACH DATABASE 'logs'", "detach \"logs\""],
    );
    nothing_is_left(&["ATTACH 'a' AS 'logs'; DETACH LOGS"]);
    none(&["ATTACH"]);
}

#[test]
fn locks_on_tables() {
    all_set(
        &["TableLock: LOCK TABLES"],
        &[
            "LOCK TABLES a READ",
            "lock tables a write, b as c read",
            "LOCK TABLE a READ",
            "LOCK TABLE `a` AS b LOW_PRIORITY WRITE",
            "LOCK TABLES a WRITE WAIT 5",
        ],
    );
    all_set(
        &["TableLock: FLUSH TABLES"],
        &[
            "FLUSH TABLES WITH READ LOCK",
            "FLUSH LOCAL TABLES a, b WITH READ LOCK",
            "FLUSH TABLES a FOR EXPORT",
        ],
    );
    all_undo(
        Undo::All(Kind::TableLock),
        &["UNLOCK TABLES", "unlock table"],
    );
    none(&[
        "LOCK TABLE a IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE a",
        "LOCK a",
        "LOCK TABLE read IN SHARE MODE",
        "LOCK TABLE a, b IN ROW EXCLUSIVE MODE NOWAIT",
        "FLUSH TABLES",
        "FLUSH PRIVILEGES",
        "SELECT lock FROM a",
    ]);
    nothing_is_left(&["LOCK TABLES a WRITE; INSERT INTO a VALUES (1); UNLOCK TABLES"]);
}

#[test]
fn where_a_literal_ends_is_not_known_nothing_is_set() {
    none(&[
        "SET search_path = 'a\\'; SELECT 1",
        "SET sql_mode = ''; SELECT 'it\\'s', 'x'; SET sql_mode = DEFAULT",
        "SELECT 1 # it's\n; SET search_path = 'a'",
    ]);
    // What is undone is undone.
    all_undo(Undo::Everything, &["SET search_path = 'a\\'; DISCARD ALL"]);
}
