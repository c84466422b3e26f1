//! SET, RESET, DISCARD.

use super::super::{Key, Kind, Undo};
use super::{all_set, all_undo, left, none, nothing_is_left};

fn setting(name: &str) -> Undo {
    Undo::One(Kind::Setting, Some(Key::of(name)))
}

#[test]
fn settings_of_postgres() {
    all_set(
        &["Setting: SET search_path"],
        &[
            "SET search_path TO tenant_a",
            "set search_path = 'tenant_a'",
            "SET SESSION search_path = tenant_a, public",
            "SET search_path TO \"tenant_a\", public;",
            "/* tenant */ SET -- of the request\n search_path = tenant_a",
            "SET search_path = ''",
            "SET search_path = tenant, role, names",
            "SET search_path TO public, tenant_a",
            "SET search_path = \"$user\", tenant_a, public",
        ],
    );
    all_set(
        &["Setting: SET statement_timeout"],
        &[
            "SET statement_timeout = '5s'",
            "SET statement_timeout TO 0",
            "SET statement_timeout = 1000",
        ],
    );
    all_set(
        &["Setting: SET app.current_tenant"],
        &[
            "SET app.current_tenant = '42'",
            "SET app.current_tenant TO 'x'",
            "SET \"app\".\"current_tenant\" = 'x'",
        ],
    );
    all_set(
        &["Setting: SET TIME ZONE"],
        &[
            "SET TIME ZONE 'Europe/Berlin'",
            "SET SESSION TIME ZONE -7",
            "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
        ],
    );
    all_set(
        &["Setting: SET timezone"],
        &["SET timezone = 'Europe/Berlin'"],
    );
    all_set(&["Setting: SET SCHEMA"], &["SET SCHEMA 'tenant_a'"]);
    all_set(&["Setting: SET NAMES"], &["SET NAMES 'latin1'"]);
    all_set(
        &["Setting: SET datestyle"],
        &["SET datestyle = German, DMY"],
    );
    all_set(
        &["Setting: SET session_replication_role"],
        &["SET session_replication_role = replica"],
    );
    all_set(
        &["Role: SET ROLE"],
        &[
            "SET ROLE tenant_a",
            "SET ROLE 'tenant_a'",
            "SET SESSION ROLE \"tenant_a\"",
            "SET role = tenant_a",
            "SET role TO 'tenant_a'",
        ],
    );
    all_set(
        &["Role: SET SESSION AUTHORIZATION"],
        &[
            "SET SESSION AUTHORIZATION tenant_a",
            "SET SESSION AUTHORIZATION 'tenant_a'",
        ],
    );
    all_set(
        &["Setting: SET SESSION CHARACTERISTICS"],
        &[
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE",
        ],
    );
    all_set(
        &["Setting: SET SESSION CHARACTERISTICS"; 2],
        &["SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY"],
    );
}

#[test]
fn local_means_the_transaction_or_the_session() {
    all_set(
        &["Setting: SET search_path, local"],
        &[
            "SET LOCAL search_path TO tenant_a",
            "SET LOCAL search_path TO public",
            "set local search_path = default",
        ],
    );
    all_set(&["Role: SET ROLE, local"], &["SET LOCAL ROLE tenant_a"]);
    all_set(
        &["Role: SET SESSION AUTHORIZATION, local"],
        &["SET LOCAL SESSION AUTHORIZATION tenant_a"],
    );
    all_set(
        &["Setting: SET TIME ZONE, local"],
        &["SET LOCAL TIME ZONE 'UTC'"],
    );
    all_set(
        &["Setting: SET sql_mode, local"],
        &["SET LOCAL sql_mode = ''", "SET @@local.sql_mode = ''"],
    );
    all_set(
        &["Setting: SET SESSION TRANSACTION, local"],
        &[
            "SET LOCAL TRANSACTION READ ONLY",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET SESSION TRANSACTION READ ONLY",
        ],
    );
    all_set(
        &["Setting: SET transaction_isolation, local"],
        &[
            "SET transaction_isolation = 'SERIALIZABLE'",
            "SET SESSION transaction_isolation = 'SERIALIZABLE'",
            "SET @@session.transaction_isolation = 'SERIALIZABLE'",
        ],
    );
}

#[test]
fn settings_of_mysql() {
    all_set(
        &["Setting: SET sql_mode"],
        &[
            "SET sql_mode = ''",
            "SET SESSION sql_mode = 'ANSI'",
            "SET @@sql_mode = 'ANSI'",
            "SET @@session.sql_mode := \"ANSI\"",
            "SET `sql_mode` = ''",
            "SET sql_mode = CONCAT(@@sql_mode, ',ANSI')",
            "SET sql_mode = (SELECT REPLACE(@@sql_mode, 'a', 'b'))",
            "SET @old = @@sql_mode, sql_mode = 'ANSI'",
            "SET GLOBAL max_connections = 10, SESSION sql_mode = ''",
            "SET @@GLOBAL.max_connections = 10, sql_mode = ''",
        ],
    );
    all_set(
        &["Setting: SET sql_mode", "Setting: SET time_zone"],
        &[
            "SET sql_mode = '', time_zone = '+02:00'",
            "SET SESSION sql_mode = CONCAT('a', 'b'), @x = 2, @@time_zone = 'SYSTEM'",
        ],
    );
    all_set(
        &["Setting: SET autocommit"],
        &[
            "SET autocommit = 0",
            "SET autocommit=off",
            "SET @@autocommit = 0",
        ],
    );
    all_set(
        &["Setting: SET foreign_key_checks"],
        &["SET foreign_key_checks = 0"],
    );
    all_set(
        &["Setting: SET max_execution_time, bound"],
        &["SET max_execution_time = ?"],
    );
    all_set(
        &["Setting: SET CHARACTER SET"],
        &["SET CHARACTER SET latin1", "SET CHARSET 'latin1'"],
    );
    all_set(
        &["Setting: SET NAMES"],
        &["SET NAMES latin1", "SET NAMES utf8mb4 COLLATE utf8mb4_bin"],
    );
    all_set(
        &["Setting: SET time_zone", "Setting: SET NAMES"],
        &["SET time_zone = 'SYSTEM', NAMES latin1"],
    );
    all_set(
        &["Role: SET ROLE"],
        &["SET ROLE 'admin'@'localhost'", "SET ROLE ALL"],
    );
    all_set(
        &["Setting: SET LAST_INSERT_ID"],
        &["SET LAST_INSERT_ID = 5"],
    );
}

#[test]
fn what_sets_nothing_of_the_session() {
    none(&[
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET TRANSACTION READ ONLY, DEFERRABLE",
        "SET TRANSACTION SNAPSHOT '00000003-1'",
        "SET CONSTRAINTS ALL DEFERRED",
        "SET GLOBAL max_connections = 10",
        "SET GLOBAL max_connections = 10, wait_timeout = 5",
        "SET GLOBAL TRANSACTION READ ONLY",
        "SET @@GLOBAL.max_connections = 10",
        "SET PERSIST max_connections = 10",
        "SET PERSIST_ONLY back_log = 10",
        "SET @@persist.max_connections = 10",
        "SET @a = 1",
        "SET @a := 1, @b = (SELECT max(c) FROM d)",
        "SET @'a b' = 1, @`c` = 2",
        "SET @a = @@sql_mode",
        "SET PASSWORD = 'secret'",
        "SET PASSWORD FOR 'a'@'b' = 'secret'",
        "SET DEFAULT ROLE ALL TO 'a'@'b'",
        "SET STATEMENT max_statement_time = 1 FOR SELECT 1",
        "SET RESOURCE GROUP x",
        "SET @@transaction_isolation = 'SERIALIZABLE'",
        "SET @@tx_read_only = 1",
        "SET search_path FROM CURRENT",
        "SET",
        "SET x",
        "UPDATE a SET search_path = 'x', b = 2",
        "INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE sql_mode = 2",
        "INSERT INTO a (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1",
        "ALTER TABLE a ALTER COLUMN b SET DEFAULT 1",
        "ALTER ROLE a SET search_path = b",
        "ALTER DATABASE a SET timezone = 'x'",
        "ALTER FUNCTION f() RESET search_path",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a AS $$ SELECT 1 $$",
        "SELECT 1 FROM a WHERE name = 'SET search_path = b'",
        "SELECT 'x; SET search_path = b'",
        "SELECT set FROM a -- ; SET search_path = b",
        "SELECT 1 /* ; SET search_path = b */",
        "SELECT $$; SET search_path = b$$",
        "SHOW search_path",
        "SHOW VARIABLES LIKE 'sql_mode'",
        "DO $$ BEGIN SET search_path = b; END $$",
        "CREATE PROCEDURE p() BEGIN SET sql_mode = ''; SET autocommit = 0; END",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 1",
        "CREATE EVENT e ON SCHEDULE EVERY 1 HOUR DO SET GLOBAL a = 1",
        "EXPLAIN SELECT set_config('a.b', 'c', false)",
        "COMMENT ON TABLE a IS 'SET x = 1'",
    ]);
}

#[test]
fn who_sets_what_a_connection_has_anyway_puts_it_back() {
    all_undo(
        setting("search_path"),
        &[
            "SET search_path TO DEFAULT",
            "SET search_path = default",
            "SET SESSION search_path TO DEFAULT",
            "SET search_path TO public",
            "SET search_path TO \"$user\", public",
            "SET SCHEMA 'public'",
            "RESET search_path",
            "reset /* it */ SEARCH_PATH;",
            "SELECT set_config('search_path', 'public', false)",
            "SELECT pg_catalog.set_config('search_path', '\"$user\", public', false)",
        ],
    );
    all_undo(
        setting("timezone"),
        &[
            "SET TIME ZONE DEFAULT",
            "SET TIME ZONE LOCAL",
            "SET TIME ZONE 'UTC'",
            "SET timezone TO 'utc'",
            "RESET TIME ZONE",
            "RESET TimeZone",
        ],
    );
    all_undo(
        setting("client_encoding"),
        &[
            "SET NAMES utf8mb4",
            "SET NAMES 'UTF8'",
            "SET NAMES DEFAULT",
            "SET client_encoding = 'UTF8'",
            "RESET client_encoding",
        ],
    );
    all_undo(
        setting("app.tenant"),
        &[
            "SET app.tenant = ''",
            "RESET app.tenant",
            "SELECT set_config('app.tenant', '', false)",
            "RESET \"app.tenant\"",
        ],
    );
    all_undo(
        setting("sql_mode"),
        &[
            "SET sql_mode = DEFAULT",
            "SET @@session.sql_mode = default",
            "SET sql_mode = @old_sql_mode",
            "SET SQL_MODE=@OLD_SQL_MODE",
        ],
    );
    all_undo(
        setting("foreign_key_checks"),
        &[
            "SET foreign_key_checks = 1",
            "SET FOREIGN_KEY_CHECKS=ON",
            "SET SESSION foreign_key_checks = @old",
        ],
    );
    all_undo(
        setting("autocommit"),
        &["SET autocommit = 1", "SET AUTOCOMMIT = ON"],
    );
    all_undo(setting("time_zone"), &["SET time_zone = '+00:00'"]);
    all_undo(
        setting("default_transaction_read_only"),
        &[
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            "SET default_transaction_read_only = off",
        ],
    );
    all_undo(
        setting("transaction_read_only"),
        &["SET SESSION TRANSACTION READ WRITE", "SET tx_read_only = 0"],
    );
}

#[test]
fn other_ways_to_put_settings_back() {
    let role = Undo::One(Kind::Role, Some(Key::of("role")));
    all_undo(
        role,
        &[
            "RESET ROLE",
            "SET ROLE NONE",
            "SET ROLE DEFAULT",
            "SET role = 'none'",
            "SELECT set_config('role', 'none', false)",
        ],
    );
    all_undo(
        Undo::All(Kind::Role),
        &[
            "RESET SESSION AUTHORIZATION",
            "SET SESSION AUTHORIZATION DEFAULT",
        ],
    );
    all_undo(Undo::All(Kind::Setting), &["RESET ALL", "reset all;"]);
    all_undo(Undo::Everything, &["DISCARD ALL"]);
    all_undo(
        Undo::All(Kind::TempTable),
        &["DISCARD TEMP", "DISCARD TEMPORARY"],
    );
    none(&["DISCARD PLANS", "DISCARD SEQUENCES"]);
}

#[test]
fn settings_that_are_put_back() {
    nothing_is_left(&[
        "SET search_path TO a; SELECT 1; RESET search_path",
        "SET search_path TO a; SELECT 1; RESET ALL",
        "SET search_path TO a; SET TIME ZONE 'Europe/Berlin'; DISCARD ALL",
        "SET SCHEMA 'a'; RESET search_path",
        "SELECT set_config('search_path', 'a', false); RESET search_path",
        "SET timezone = 'Europe/Berlin'; SET TIME ZONE LOCAL",
        "SET NAMES 'latin1'; RESET client_encoding",
        "SET app.tenant = 'x'; SELECT set_config('app.tenant', '', false)",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; RESET default_transaction_read_only",
        "SET SESSION TRANSACTION READ ONLY; SET tx_read_only = 0",
        "SET ROLE a; RESET ROLE",
        "SET ROLE a; DISCARD ALL",
        "SET ROLE a; RESET SESSION AUTHORIZATION",
        "SET request.jwt.claims = '{\"sub\": 1}'; RESET request.jwt.claims",
        "SET SESSION AUTHORIZATION a; SET SESSION AUTHORIZATION DEFAULT",
        "SET @old = @@sql_mode, sql_mode = ''; INSERT INTO a VALUES (1); SET sql_mode = @old",
        "SET foreign_key_checks = 0; DELETE FROM a; SET FOREIGN_KEY_CHECKS = 1",
        "PRAGMA foreign_keys = OFF; DROP TABLE a; PRAGMA foreign_keys = ON",
        "PRAGMA main.cache_size = 10; PRAGMA cache_size(-2000)",
    ]);
    for (sql, expected) in [
        ("SET ROLE a; RESET ALL", &["SET ROLE"][..]),
        ("SET a.b = 1; RESET a.c", &["SET a.b"]),
        ("RESET search_path; SET search_path = a", &["SET search_path"]),
        (
            "SET statement_timeout = 0; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on;
             SELECT pg_catalog.set_config('search_path', '', false); SET check_function_bodies = false;
             CREATE TABLE a (b INT)",
            &["SET statement_timeout", "set_config", "SET check_function_bodies"],
        ),
    ] {
        assert_eq!(left(sql), expected, "{sql}");
    }
}
