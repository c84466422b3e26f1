//! PostgreSQL.

use sqlx::{Connection, PgConnection, Postgres, Row};

use super::agree;

async fn state(conn: &mut PgConnection) -> String {
    let state = "SELECT json_build_array(
        (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name !~ '^plpgsql'),
        coalesce(current_setting('app.tenant', true), ''),
        coalesce(current_setting('request.jwt.claims', true), ''),
        current_user, session_user,
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        (SELECT json_agg(channel) FROM pg_listening_channels() AS channel),
        (SELECT json_agg(relname) FROM pg_class WHERE pg_my_temp_schema() = relnamespace)
    )::text";
    let row = sqlx::raw_sql(state).fetch_one(conn).await.unwrap();
    row.get(0)
}

const CHANGES: &[&str] = &[
    "SET search_path TO tenant_a",
    "SET search_path = tenant_a, public; SELECT 1",
    "SET SCHEMA 'tenant_a'",
    "SET \"search_path\" TO \"tenant_a\"",
    "SET SESSION statement_timeout TO '30s'; SET SESSION lock_timeout TO '5s'",
    "SET work_mem = '64MB'",
    "SET enable_seqscan TO off",
    "SET DateStyle TO German, DMY",
    "SET application_name TO 'worker'",
    "SET TIME ZONE 'Europe/Zurich'",
    "SET TIME ZONE -3",
    "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
    "SET TimeZone = 'America/New_York'",
    "SET client_encoding TO latin1",
    "SET app.tenant = '42'",
    "SET request.jwt.claims TO '{\"sub\": \"a\"}'",
    "BEGIN; SET app.tenant = 'x'; COMMIT",
    "BEGIN; SET LOCAL app.tenant = 'x'; SET application_name = 'y'; COMMIT",
    "SET default_transaction_read_only = on",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, DEFERRABLE",
    "SET ROLE pg_monitor",
    "SET SESSION ROLE pg_monitor; RESET ALL",
    "SET SESSION AUTHORIZATION pg_monitor",
    "RESET ALL; SET work_mem = '1MB'",
    "SELECT set_config('search_path', 'tenant_a', false)",
    "SELECT pg_catalog.set_config('app.tenant', 'x', 'f')",
    "SELECT set_config('role', 'pg_monitor', false)",
    "SELECT pg_advisory_lock(42)",
    "SELECT pg_advisory_lock(1, 2), pg_sleep(0)",
    "SELECT pg_catalog.pg_advisory_lock(hashtext('a b')::bigint)",
    "SELECT pg_advisory_lock_shared(42)",
    "SELECT * FROM pg_advisory_lock(42)",
    "SELECT pg_advisory_lock(1), pg_advisory_lock(2); SELECT pg_advisory_unlock(1)",
    "SELECT pg_advisory_lock(1); SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1)",
    "BEGIN; SELECT pg_advisory_lock(3); ROLLBACK",
    "LISTEN jobs",
    "LISTEN \"a b\"; LISTEN c; UNLISTEN c",
    "BEGIN; LISTEN jobs; COMMIT",
    "CREATE TEMP TABLE t (a INT)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS t AS SELECT 1 AS a",
    "CREATE TABLE pg_temp.t (a INT)",
    "CREATE TEMP TABLE t (a INT) ON COMMIT DELETE ROWS",
    "CREATE TEMP VIEW v AS SELECT 1 AS a",
    "CREATE TEMP SEQUENCE s",
    "SELECT 1 AS a INTO TEMP t",
    "WITH x AS (SELECT 1 AS a) SELECT a INTO TEMPORARY TABLE t FROM x",
    "DROP TABLE IF EXISTS t; CREATE TEMP TABLE t (a INT)",
];

const STAYS: &[&str] = &[
    "BEGIN; SET LOCAL search_path TO tenant_a; COMMIT",
    "BEGIN; SET LOCAL ROLE pg_monitor; COMMIT",
    "BEGIN; SET LOCAL TIME ZONE 'Europe/Zurich'; ROLLBACK",
    "BEGIN; SET search_path TO tenant_a; ROLLBACK",
    "BEGIN; SAVEPOINT a; SET work_mem = '1MB'; ROLLBACK TO SAVEPOINT a; COMMIT",
    "BEGIN; LISTEN jobs; CREATE TEMP TABLE t (a INT); ROLLBACK",
    "BEGIN; CREATE TEMP TABLE t (a INT) ON COMMIT DROP; COMMIT",
    "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET TRANSACTION READ ONLY",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET TIME ZONE 'UTC'",
    "SET client_encoding = 'UTF8'; SET DateStyle TO ISO; SET standard_conforming_strings = on",
    "SET search_path TO \"$user\", public",
    "SET search_path TO tenant_a; RESET search_path",
    "SET SCHEMA 'tenant_a'; SET search_path TO DEFAULT",
    "SET work_mem = '1MB'; SET TIME ZONE 'Europe/Zurich'; RESET ALL",
    "SET TIME ZONE 'Europe/Zurich'; SET TIME ZONE LOCAL",
    "SET TIME ZONE 'Europe/Zurich'; RESET TIME ZONE",
    "SET NAMES 'latin1'; RESET client_encoding",
    "SET ROLE pg_monitor; RESET ROLE",
    "SET ROLE pg_monitor; SET SESSION AUTHORIZATION DEFAULT",
    "SET app.tenant = 'x'; SET app.tenant = ''",
    "SET app.tenant = 'x'; RESET app.tenant",
    "SELECT set_config('app.tenant', 'x', true)",
    "SELECT set_config('app.tenant', 'x', 'on'), set_config('work_mem', '1MB', 1 = 1)",
    "SELECT set_config('app.tenant', 'x', false); SELECT set_config('app.tenant', '', false)",
    "SELECT set_config('app.tenant', 'x', false) WHERE false",
    "WITH x AS (SELECT set_config('app.tenant', 'x', false)) SELECT 1",
    "SELECT CASE WHEN false THEN set_config('app.tenant', 'x', false) END",
    "SELECT pg_advisory_xact_lock(42)",
    "SELECT pg_advisory_lock(42); SELECT 1; SELECT pg_advisory_unlock(42)",
    "SELECT pg_advisory_lock(42::bigint); SELECT pg_catalog.pg_advisory_unlock('42')",
    "SELECT pg_advisory_lock(hashtext('a')); SELECT pg_advisory_unlock(hashtext('a'))",
    "SELECT pg_advisory_lock(1), pg_advisory_lock_shared(2); SELECT pg_advisory_unlock_all()",
    "EXPLAIN SELECT pg_advisory_lock(42)",
    "LISTEN a; LISTEN b; UNLISTEN *",
    "LISTEN a; UNLISTEN A",
    "CREATE TEMP TABLE t (a INT); INSERT INTO t VALUES (1); DROP TABLE t",
    "CREATE TEMP TABLE t (a INT); CREATE TEMP TABLE u (a INT); DROP TABLE t, u",
    "CREATE TEMP TABLE t (a INT); CREATE TEMP VIEW v AS SELECT 1 AS a; DISCARD TEMP",
    "SELECT 'SET x = 1; LISTEN a' AS \"set\" -- ; SET work_mem = '1MB'",
    "SELECT $$; SET work_mem = '1MB'$$ /* ; LISTEN a */",
    "SHOW search_path",
    "NOTIFY jobs, 'LISTEN jobs'",
];

#[tokio::test]
async fn agrees_with_postgres() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    agree!(Postgres, db.url(), state, changes: true, CHANGES);
    agree!(Postgres, db.url(), state, changes: false, STAYS);
}
