//! The summaries of statements.

use super::scan::MAX_BYTES;
use super::{Schema, summarise};

#[track_caller]
fn check(sql: &str, expected: &str, writes: bool) {
    let summary = summarise(sql);
    assert_eq!(
        (&*summary.text, summary.writes),
        (expected, writes),
        "{sql}"
    );
}

#[test]
fn only_some_statements_change_the_schema() {
    for sql in ["CREATE TABLE x (y INT)", "drop index z", "TRUNCATE TABLE x"] {
        assert_eq!(summarise(sql).schema, Schema::Changes, "{sql}");
    }
    for sql in [
        "INSERT INTO x VALUES (1)",
        "SELECT created FROM x",
        "SELECT TRUNCATE(1.5, 1)",
    ] {
        assert_eq!(summarise(sql).schema, Schema::Stays, "{sql}");
    }
}

#[test]
fn rows_of_a_write_are_not_rows_of_a_read() {
    for sql in [
        "INSERT INTO x VALUES (1) RETURNING id",
        "INSERT INTO x SELECT * FROM y",
        "WITH y AS (SELECT 1) UPDATE x SET a = 1",
        "WITH gone AS (DELETE FROM x RETURNING id) INSERT INTO log SELECT id FROM gone",
        "UPDATE x SET a = (SELECT max(b) FROM y); DELETE FROM z",
    ] {
        assert!(summarise(sql).writes_for_sure, "{sql}");
    }
    for sql in [
        "WITH gone AS (DELETE FROM x RETURNING id) SELECT count(*) FROM gone",
        "WITH \"gone\" AS (DELETE FROM x RETURNING id) SELECT count(*) FROM gone",
        "CALL report(1)",
        "UPDATE x SET a = 1; SELECT * FROM x",
        "SELECT 1",
    ] {
        assert!(!summarise(sql).writes_for_sure, "{sql}");
    }
    assert!(!summarise("EXPLAIN QUERY PLAN DELETE FROM x").writes);
    assert!(summarise("EXPLAIN SELECT 1; DELETE FROM x").writes);
}

#[test]
fn a_temporary_table_changes_the_schema_for_a_while() {
    for sql in ["CREATE TEMPORARY TABLE x (y INT)", "drop temporary table x"] {
        assert_eq!(summarise(sql).schema, Schema::ChangesForAWhile, "{sql}");
    }
    let both = "CREATE TABLE a (x INT); CREATE TEMPORARY TABLE b (y INT)";
    assert_eq!(summarise(both).schema, Schema::Changes);
}

#[test]
fn reads() {
    check("SELECT 1", "SELECT", false);
    check("SELECT DISTINCT * FROM exam", "SELECT exam", false);
    check("SELECT DISTINCT \"a\" FROM exam", "SELECT exam", false);
    check(
        "WITH \"x\" AS (SELECT 1) SELECT * FROM x",
        "SELECT SELECT x",
        false,
    );
    check("select * from exam where id = ?", "SELECT exam", false);
    check(
        "SELECT * FROM exam e, device AS d WHERE e.d = d.id",
        "SELECT exam device",
        false,
    );
    check(
        "SELECT * FROM exam JOIN device ON true LEFT JOIN \"my licence\" USING (id)",
        "SELECT exam device my licence",
        false,
    );
    check(
        "SELECT EXTRACT(YEAR FROM taken) FROM public.exam FOR UPDATE",
        "SELECT public.exam",
        false,
    );
    check(
        "SELECT replace(name, 'a', 'b') FROM `exam`",
        "SELECT exam",
        false,
    );
    check(
        "SELECT a FROM (SELECT b FROM inner_table) t, other",
        "SELECT SELECT inner_table other",
        false,
    );
    check(
        "-- DELETE FROM x\nSELECT /* UPDATE y */ 'INSERT INTO z' FROM exam",
        "SELECT exam",
        false,
    );
    check(
        "WITH x AS (SELECT id FROM exam) SELECT * FROM x",
        "SELECT exam SELECT x",
        false,
    );
    check("PRAGMA journal_mode = WAL", "PRAGMA journal_mode", false);
    check("EXPLAIN SELECT 1", "SELECT", false);
    check("", "", false);
}

#[test]
fn statements_without_a_target() {
    check(
        "SET search_path TO \"secret\", 'secret'",
        "SET search_path",
        false,
    );
    check("set local lock_timeout = '5s'", "SET lock_timeout", false);
    check("SET SESSION sql_mode = \"secret\"", "SET sql_mode", false);
    check("SET TIME ZONE 'secret'", "SET TIME", false);
    check("SET PASSWORD = \"secret\"", "SET PASSWORD", false);
    check("SET @@session.sql_mode = 'secret'", "SET", false);
    check("RESET search_path", "RESET search_path", false);
    check("USE app", "USE app", false);
    check("LISTEN jobs", "LISTEN jobs", false);
    check("UNLISTEN *", "UNLISTEN", false);
    check("PRAGMA foreign_keys = 1", "PRAGMA foreign_keys", false);
    check("UPDATE session SET local = 1", "UPDATE session", true);
    check("SET @a = REPLACE(\"secret\", 'b', 'c')", "SET", false);
    check(
        "SET @a = (SELECT max(b) FROM exam)",
        "SET SELECT exam",
        false,
    );
    check("VALUES (1, 'secret'), (2, \"secret\")", "VALUES", false);
    check("ANALYZE", "ANALYZE", false);
    check("ANALYZE VERBOSE exam (id)", "ANALYZE", false);
    check("analyze table exam", "ANALYZE", false);
    // Here they are not the operation.
    check("EXPLAIN ANALYZE SELECT a FROM exam", "SELECT exam", false);
    check("EXPLAIN (ANALYZE) DELETE FROM exam", "DELETE exam", false);
    check("WITH x AS (VALUES (1)) SELECT * FROM x", "SELECT x", false);
    // In MariaDB, ANALYZE runs what it explains.
    let both = summarise("ANALYZE SELECT * FROM exam; DELETE FROM device");
    assert_eq!(both.text, "ANALYZE SELECT exam DELETE device");
    assert!(both.writes && !both.writes_for_sure);
}

#[test]
fn writes() {
    check(
        "INSERT INTO exam (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET n = 1",
        "INSERT exam",
        true,
    );
    for clause in ["OR ROLLBACK", "OR REPLACE", "or fail", "OR ABORT"] {
        check(
            &format!("INSERT {clause} INTO exam VALUES (1)"),
            "INSERT exam",
            true,
        );
        check(
            &format!("UPDATE {clause} exam SET a = 1"),
            "UPDATE exam",
            true,
        );
    }
    check(
        "INSERT OR IGNORE INTO exam SELECT * FROM old_exam",
        "INSERT exam SELECT old_exam",
        true,
    );
    check(
        "UPDATE exam SET n = n + 1 WHERE id = 3",
        "UPDATE exam",
        true,
    );
    check("DELETE FROM ONLY exam WHERE id = 3", "DELETE exam", true);
    check(
        "CREATE TABLE IF NOT EXISTS exam (id INT, FOREIGN KEY (id) REFERENCES o (id) ON DELETE CASCADE)",
        "CREATE TABLE exam",
        true,
    );
    check("CREATE UNIQUE INDEX i ON exam (id)", "CREATE INDEX i", true);
    check(
        "CREATE TABLE a (x INT); CREATE TABLE b (y INT)",
        "CREATE TABLE a CREATE TABLE b",
        true,
    );
    check(
        "WITH gone AS (DELETE FROM exam RETURNING id) INSERT INTO log SELECT id FROM gone",
        "DELETE exam INSERT log SELECT gone",
        true,
    );
    check("REPLACE INTO exam VALUES (1)", "REPLACE exam", true);
    check("CALL next_number(1)", "CALL next_number", true);
    check("COPY exam FROM STDIN", "COPY exam", true);
    check("DO $$ BEGIN DELETE FROM x; END $$", "DO", true);
}

#[test]
fn literals_are_left_out() {
    check(
        "SELECT (SELECT b FROM u), 4711 FROM t",
        "SELECT SELECT u t",
        false,
    );
    check(
        "SELECT (SELECT b FROM u), \"x\" FROM t",
        "SELECT SELECT u t",
        false,
    );
    check(
        "SELECT a FROM t WHERE b IS DISTINCT FROM 4711",
        "SELECT t",
        false,
    );
    check(
        "SELECT a FROM t WHERE b IS DISTINCT FROM c",
        "SELECT t",
        false,
    );
    check(
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (DATABASE \"x\")",
        "CREATE",
        true,
    );
    // Not every FROM begins a clause. MariaDB and MySQL have others, and read a text in double quotes as a literal.
    check(
        "SELECT * FROM t FOR SYSTEM_TIME FROM \"secret\" TO \"x\", u",
        "SELECT t u",
        false,
    );
    check(
        "SELECT * FROM t JOIN u ON a = b JOIN v FOR SYSTEM_TIME FROM \"secret\" TO \"x\"",
        "SELECT t u v",
        false,
    );
    check(
        "DELETE FROM t FOR PORTION OF p FROM \"secret\" TO \"x\"",
        "DELETE t",
        true,
    );
    check(
        "SELECT nth_value(a, 2) FROM FIRST OVER (ORDER BY a), \"secret\" FROM t",
        "SELECT FIRST",
        false,
    );
    // The summary ends where MySQL or PostgreSQL may read the text differently. The search for writes goes on.
    check("SELECT 'a\\' FROM x', b FROM t", "SELECT", false);
    check("SELECT 'a\\\\' FROM t", "SELECT t", false);
    check("SELECT \"a\\\" FROM x\", b FROM t", "SELECT", false);
    check("SELECT 1 # it's\n, ' FROM x' FROM t", "SELECT", false);
    check("SELECT 1 # or two\n FROM t", "SELECT t", false);
    check("SELECT a #>> '{b}', a #- '{b}' FROM t", "SELECT t", false);
    check("SELECT 1--'\n, ' FROM x' FROM t", "SELECT", false);
    check("/* /* */ it's */ SELECT ' FROM x' FROM t", "", false);
    check("SELECT 'a\\'; DELETE FROM t", "SELECT", true);
    // A name in SQLite may contain the beginning of a literal in PostgreSQL.
    check(
        "SELECT * FROM [it's], x WHERE a = ' FROM secret'",
        "SELECT it",
        false,
    );
    check(
        "SELECT * FROM [a\"], x WHERE a = 'secret' AND \"b\" = 1",
        "SELECT a",
        false,
    );
    check("SELECT a['x]'], b FROM t", "SELECT", false);
    check(
        "SELECT ARRAY['x', $$y$$], a[1], b[$1:$2] FROM t, [u], v",
        "SELECT t u v",
        false,
    );
    // A dollar inside a name begins no quoted text.
    check(
        "SELECT * FROM a$b$c, d WHERE e = '$'",
        "SELECT a$b$c d",
        false,
    );
}

#[test]
fn writes_are_found_behind_a_long_text() {
    let tables: Vec<String> = (0..100).map(|n| format!("table_{n}")).collect();
    let sql = format!("SELECT * FROM {}; DELETE FROM x", tables.join(", "));
    assert!(summarise(&sql).writes);
}

#[test]
fn long_texts_are_cut_at_a_word() {
    let tables: Vec<String> = (0..100).map(|n| format!("table_{n}")).collect();
    let summary = summarise(&format!("SELECT * FROM {}", tables.join(", "))).text;
    assert!(
        summary.len() <= MAX_BYTES && summary.starts_with("SELECT table_0 table_1 "),
        "{summary}"
    );
    assert!(!summary.ends_with("table_"), "{summary}");
}
