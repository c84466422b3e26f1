//! Calls of functions that change the session.

use super::super::{Condition, Effect, Key, Kind, Undo, effects};
use super::{all_set, all_undo, left, none, nothing_is_left, sets};
use std::time::Duration;

#[test]
fn locks_of_postgres() {
    all_set(
        &["Lock: pg_advisory_lock"],
        &[
            "SELECT pg_advisory_lock(42)",
            "select PG_ADVISORY_LOCK ( 42 )",
            "SELECT pg_catalog.pg_advisory_lock(-1)",
            "SELECT \"pg_advisory_lock\"(1, 2)",
            "SELECT pg_advisory_lock(42::bigint)",
            "SELECT * FROM pg_advisory_lock(42)",
            "(SELECT pg_advisory_lock(1))",
            "VALUES (pg_advisory_lock(1))",
            "INSERT INTO a SELECT pg_advisory_lock(1)",
            "SELECT coalesce(pg_advisory_lock(1)::text, '')",
        ],
    );
    all_set(
        &["Lock: pg_advisory_lock, unnamed, bound"],
        &[
            "SELECT pg_advisory_lock($1)",
            "SELECT pg_advisory_lock($1, $2)",
            "SELECT pg_advisory_lock($1::bigint)",
            "SELECT pg_advisory_lock(hashtext($1))",
        ],
    );
    all_set(
        &["Lock: pg_advisory_lock, unnamed"],
        &[
            "SELECT pg_advisory_lock(hashtext('jobs'))",
            "SELECT pg_advisory_lock(id)",
            "SELECT pg_advisory_lock(1 + 2)",
        ],
    );
    all_set(
        &["Lock: pg_advisory_lock_shared"],
        &["SELECT pg_advisory_lock_shared(42)"],
    );
    all_set(
        &["Lock: pg_advisory_lock", "Lock: pg_advisory_lock"],
        &[
            "SELECT pg_advisory_lock(1), pg_advisory_lock(2)",
            "SELECT pg_advisory_lock(1); SELECT pg_advisory_lock(1)",
        ],
    );
    all_set(
        &["Lock: pg_try_advisory_lock, Granted"],
        &[
            "SELECT pg_try_advisory_lock(42)",
            "SELECT pg_try_advisory_lock(1) AS locked",
        ],
    );
    all_set(
        &["Lock: pg_advisory_lock, Row"],
        &["WITH l AS (SELECT pg_advisory_lock(1)) SELECT 1 FROM l"],
    );
    all_set(
        &["Lock: pg_advisory_lock, unnamed, Row"],
        &["SELECT pg_advisory_lock(id) FROM a WHERE b = 1"],
    );
    all_set(
        &["Lock: pg_advisory_lock, Reached"],
        &[
            "SELECT CASE WHEN a THEN pg_advisory_lock(1) END",
            "WITH l AS MATERIALIZED (SELECT pg_advisory_lock(1)) SELECT 1",
            "SELECT 1 FROM a WHERE b AND pg_advisory_lock(1) IS NOT NULL",
            "SELECT coalesce(a, pg_advisory_lock(1)::text)",
            "SELECT coalesce(a, (SELECT lower(pg_advisory_lock(1)::text)))",
        ],
    );
    all_set(
        &["Lock: pg_advisory_lock"],
        &[
            "SELECT coalesce(pg_advisory_lock(1)::text, '')",
            "SELECT coalesce(concat(a, pg_advisory_lock(1)::text), '')",
            "SELECT coalesce(a, 1), concat(2, pg_advisory_lock(1)::text)",
            "SELECT concat(coalesce(a, 1), pg_advisory_lock(1)::text)",
        ],
    );
    none(&[
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT pg_advisory_xact_lock_shared(1)",
        "SELECT pg_try_advisory_xact_lock(1)",
        "SELECT app.pg_advisory_lock(1)",
        "SELECT my_pg_advisory_lock(1)",
        "SELECT pg_advisory_lock FROM a",
        "SELECT 'pg_advisory_lock(1)'",
        "SELECT 1 -- pg_advisory_lock(1)",
        "SELECT * FROM pg_locks WHERE locktype = 'advisory'",
        "SELECT proname FROM pg_proc WHERE proname = 'pg_advisory_lock'",
        "EXPLAIN SELECT pg_advisory_lock(1)",
        "PREPARE a AS SELECT pg_advisory_lock(1)",
        "CREATE VIEW a AS SELECT pg_advisory_lock(1)",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC SELECT pg_advisory_lock(1); END",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(1)'",
        "GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO a",
        "COPY a FROM STDIN",
    ]);
}

#[test]
fn locks_of_mysql() {
    let within = |seconds: f64| {
        format!(
            "NamedLock: GET_LOCK, {:?}",
            Condition::Within(Duration::from_secs_f64(seconds))
        )
    };
    for (sql, expected) in [
        ("SELECT GET_LOCK('jobs', 10)", within(10.0)),
        ("select get_lock(\"jobs\", 0.5)", within(0.5)),
        ("DO GET_LOCK('jobs', 10)", within(10.0)),
        ("SELECT IFNULL(GET_LOCK('jobs', 10), 0)", within(10.0)),
        (
            "SELECT IF(GET_LOCK('jobs', 10) = 1, 'yes', 'no')",
            within(10.0),
        ),
        (
            "SELECT IF(IS_FREE_LOCK('jobs'), GET_LOCK('jobs', 10), 0)",
            "NamedLock: GET_LOCK, Reached".to_owned(),
        ),
        ("SET @got = GET_LOCK('jobs', 10)", within(10.0)),
        (
            "SET @got := (SELECT GET_LOCK('jobs', 10)), @x = 1",
            within(10.0),
        ),
        (
            "SELECT GET_LOCK('jobs', -1)",
            "NamedLock: GET_LOCK, Granted".to_owned(),
        ),
        (
            "SELECT GET_LOCK('jobs', 0)",
            "NamedLock: GET_LOCK, Granted".to_owned(),
        ),
        (
            "SELECT GET_LOCK('jobs', ?)",
            "NamedLock: GET_LOCK, Granted".to_owned(),
        ),
        (
            "SELECT GET_LOCK(?, -1)",
            "NamedLock: GET_LOCK, unnamed, bound, Granted".to_owned(),
        ),
        (
            "SELECT GET_LOCK(CONCAT('a', b), -1)",
            "NamedLock: GET_LOCK, unnamed, Granted".to_owned(),
        ),
        (
            "SELECT GET_LOCK('jobs', 10) FROM a",
            "NamedLock: GET_LOCK, Granted".to_owned(),
        ),
    ] {
        assert_eq!(sets(sql), [expected], "{sql}");
    }
    none(&[
        "SELECT IS_FREE_LOCK('jobs'), IS_USED_LOCK('jobs')",
        "SELECT app.get_lock('jobs', 10)",
        "SELECT get_lock FROM a",
    ]);
}

#[test]
fn a_lock_is_set_if_it_was_granted_for_sure() {
    let is_set = |sql: &str, seconds: u64, rows: u64| {
        let effects = effects(sql).expect("effects");
        let [Effect::Sets(item)] = &*effects else {
            panic!("{sql}")
        };
        item.is_set_by(Duration::from_secs(seconds), rows)
    };
    assert!(is_set("SELECT pg_advisory_lock(1)", 100, 0));
    assert!(is_set("SELECT GET_LOCK('a', 5)", 4, 1));
    assert!(!is_set("SELECT GET_LOCK('a', 5)", 5, 1));
    assert!(!is_set("SELECT GET_LOCK('a', -1)", 100, 1));
    assert!(!is_set("SELECT GET_LOCK('a', 0)", 0, 1));
    assert!(!is_set("SELECT pg_try_advisory_lock(1)", 0, 1));
    assert!(is_set("SELECT pg_advisory_lock(a) FROM b", 0, 1));
    assert!(!is_set("SELECT pg_advisory_lock(a) FROM b", 0, 0));
}

#[test]
fn locks_that_are_given_back() {
    let unlock = |key: &str| Undo::One(Kind::Lock, Some(Key::of(key)));
    all_undo(
        unlock(",42"),
        &[
            "SELECT pg_advisory_unlock(42)",
            "SELECT pg_catalog.pg_advisory_unlock('42'::bigint)",
            "SELECT pg_advisory_unlock_shared(CAST(42 AS bigint))",
        ],
    );
    all_undo(unlock(",1,-2"), &["SELECT pg_advisory_unlock(1, -2)"]);
    all_undo(
        Undo::One(Kind::Lock, None),
        &[
            "SELECT pg_advisory_unlock($1)",
            "SELECT pg_advisory_unlock(hashtext('jobs'))",
            "SELECT pg_advisory_unlock(objid) FROM pg_locks",
        ],
    );
    all_undo(Undo::All(Kind::Lock), &["SELECT pg_advisory_unlock_all()"]);
    all_undo(
        Undo::One(Kind::NamedLock, Some(Key::of(",jobs"))),
        &["SELECT RELEASE_LOCK('jobs')", "DO release_lock('JOBS')"],
    );
    all_undo(
        Undo::One(Kind::NamedLock, None),
        &["SELECT RELEASE_LOCK(?)"],
    );
    all_undo(Undo::All(Kind::NamedLock), &["SELECT RELEASE_ALL_LOCKS()"]);
    nothing_is_left(&[
        "SELECT pg_advisory_lock(1); SELECT 1; SELECT pg_advisory_unlock(1)",
        "SELECT pg_advisory_lock(1::bigint); SELECT pg_advisory_unlock(1)",
        "SELECT pg_advisory_lock(hashtext('a')); SELECT pg_advisory_unlock(hashtext('a'))",
        "SELECT pg_advisory_lock(1), pg_advisory_lock(2); SELECT pg_advisory_unlock_all()",
        "SELECT pg_advisory_lock(1); DISCARD ALL",
        "SELECT GET_LOCK('a', 10); SELECT RELEASE_LOCK('A')",
        "SELECT GET_LOCK('a', 10); SELECT RELEASE_ALL_LOCKS()",
    ]);
    for (sql, expected) in [
        (
            "SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(2)",
            &["pg_advisory_lock"][..],
        ),
        (
            "SELECT pg_advisory_lock(1); SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1)",
            &["pg_advisory_lock"],
        ),
        (
            "SELECT pg_advisory_lock(1); SELECT RELEASE_ALL_LOCKS()",
            &["pg_advisory_lock"],
        ),
    ] {
        assert_eq!(left(sql), expected, "{sql}");
    }
}

#[test]
fn settings_by_a_function() {
    all_set(
        &["Setting: set_config"],
        &[
            "SELECT set_config('app.tenant', 'x', false)",
            "select pg_catalog.set_config('search_path', '', false)",
            "SELECT set_config('app.tenant', 'x', 'f')",
            "SELECT set_config('app.tenant', 'x', 0::boolean)",
            "SELECT set_config('app.tenant'::text, 'x'::text, false::bool)",
            "SELECT set_config(setting_name => 'app.tenant', new_value => 'x', is_local => false)",
            "SELECT set_config('app.tenant', 'x', is_local := false)",
            "SELECT 1, set_config('app.tenant', current_setting('app.other'), false)",
        ],
    );
    all_set(
        &["Setting: set_config, bound"],
        &[
            "SELECT set_config('app.tenant', $1, false)",
            "SELECT set_config('app.tenant', $1::text, FALSE)",
            "SELECT set_config('app.tenant', CAST($1 AS text), false) AS x",
        ],
    );
    all_set(
        &["Setting: set_config, bound", "Setting: set_config, bound"],
        &["SELECT set_config('app.tenant', $1, false), set_config('app.user', $2, false)"],
    );
    all_set(
        &["Setting: set_config, unnamed, bound"],
        &["SELECT set_config($1, $2, false)"],
    );
    all_set(
        &["Setting: set_config, Row"],
        &[
            "SELECT set_config('app.tenant', 'x', false) WHERE current_user = 'a'",
            "SELECT set_config('app.tenant', 'x', false) LIMIT 0",
            "SELECT set_config('app.tenant', 'x', false) OFFSET 1",
        ],
    );
    all_set(
        &["Setting: set_config, Row"],
        &["SELECT set_config('app.tenant', id::text, false) FROM tenants"],
    );
    all_set(
        &["Role: set_config"],
        &["SELECT set_config('role', 'tenant_a', false)"],
    );
    none(&[
        "SELECT set_config('app.tenant', $1, true)",
        "SELECT set_config('app.tenant', $1, TRUE), set_config('app.user', $2, 't')",
        "SELECT set_config('app.tenant', $1, true::boolean)",
        "SELECT set_config('app.tenant', $1, $2)",
        "SELECT set_config('app.tenant', $1, NOT false)",
        "SELECT set_config('app.tenant', $1)",
        "SELECT set_config(is_local => true, setting_name => 'a.b', new_value => 'x')",
        "SELECT current_setting('app.tenant')",
        "SELECT set_config FROM a",
        "SELECT app.set_config('a', 'b', false)",
        "UPDATE a SET b = current_setting('app.tenant')",
    ]);
}
