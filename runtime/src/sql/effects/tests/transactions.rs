//! Transactions and savepoints that a text begins or ends.

use super::super::{Effect, Ends, Key, MOST, effects};

#[track_caller]
fn check(sql: &str, expected: &[Effect]) {
    let found = effects(sql);
    assert_eq!(found.as_deref().unwrap_or_default(), expected, "{sql}");
}

fn begins(writes_at_once: bool) -> Effect {
    Effect::Begins { writes_at_once }
}

fn ends(end: Ends, chains: bool) -> Effect {
    Effect::Ends { end, chains }
}

fn commit() -> Effect {
    ends(Ends::Commit, false)
}

fn rollback() -> Effect {
    ends(Ends::Rollback, false)
}

#[test]
fn a_text_may_begin_a_transaction() {
    for sql in [
        "BEGIN",
        " begin ; ",
        "/* now */ BEGIN WORK",
        "BEGIN TRANSACTION",
        "BEGIN DEFERRED TRANSACTION",
        "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY",
        "BEGIN READ WRITE",
        "BEGIN NOT DEFERRABLE",
        "START TRANSACTION",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        "SELECT 1; BEGIN; SELECT 2",
    ] {
        check(sql, &[begins(false)]);
    }
    for sql in [
        "BEGIN IMMEDIATE",
        "begin immediate transaction",
        "BEGIN EXCLUSIVE",
    ] {
        check(sql, &[begins(true)]);
    }
    for sql in [
        "START REPLICA",
        "SELECT begin FROM x",
        "SELECT 'BEGIN'; -- BEGIN",
        "DO $$ BEGIN DELETE FROM x; END $$",
    ] {
        check(sql, &[]);
    }
}

#[test]
fn a_text_may_end_a_transaction() {
    let all = |effect: Effect, texts: &[&str]| {
        for sql in texts {
            check(sql, std::slice::from_ref(&effect));
        }
    };
    all(
        commit(),
        &[
            "COMMIT",
            "END TRANSACTION",
            "end",
            "INSERT INTO x VALUES (1); COMMIT",
            "COMMIT AND NO CHAIN",
            "PREPARE TRANSACTION 'x'",
        ],
    );
    all(
        rollback(),
        &["rollback work", "/* now */ ABORT", "ROLLBACK"],
    );
    all(ends(Ends::Commit, true), &["COMMIT AND CHAIN"]);
    all(ends(Ends::Rollback, true), &["rollback work and chain"]);
    for sql in [
        "SELECT CASE a WHEN 1 THEN 2 END FROM x",
        "INSERT INTO x VALUES ('COMMIT')",
        "INSERT INTO x VALUES ('ROLLBACK')",
        "CREATE TABLE x (y INT) ON COMMIT DROP",
        "COMMIT PREPARED 'x'",
        "ROLLBACK PREPARED 'x'",
        "PREPARE x AS SELECT 1",
        "XA COMMIT 'x'",
    ] {
        check(sql, &[]);
    }
}

#[test]
fn a_text_may_set_savepoints() {
    let x = Key::of("x");
    for sql in ["SAVEPOINT x", "SELECT 1; savepoint X", "SAVEPOINT \"x\""] {
        check(sql, &[Effect::SetsSavepoint(x)]);
    }
    for sql in [
        "ROLLBACK TO SAVEPOINT x",
        "ROLLBACK TRANSACTION TO x",
        "rollback work to `x`",
    ] {
        check(sql, &[Effect::RollsBackTo(x)]);
    }
    for sql in ["RELEASE SAVEPOINT x", "RELEASE x"] {
        check(sql, &[Effect::ReleasesSavepoint(x)]);
    }
    check(
        "savepoint x; ROLLBACK TO x",
        &[Effect::SetsSavepoint(x), Effect::RollsBackTo(x)],
    );
    check("SELECT savepoint FROM x", &[]);
}

#[test]
fn several_statements_are_read_in_order() {
    check("BEGIN; DELETE FROM x; COMMIT", &[begins(false), commit()]);
    check(
        "COMMIT; BEGIN IMMEDIATE; ROLLBACK",
        &[commit(), begins(true), rollback()],
    );
}

#[test]
fn a_body_has_no_effect_where_it_is_made() {
    for sql in [
        "CREATE TRIGGER x AFTER INSERT ON y BEGIN DELETE FROM z; END",
        "CREATE TRIGGER x AFTER UPDATE ON y BEGIN SELECT CASE WHEN a THEN 1 END; COMMIT; END",
        "CREATE DEFINER=`a`@`b` PROCEDURE p() BEGIN START TRANSACTION; COMMIT; END",
        "CREATE PROCEDURE p(a INT) BEGIN IF a THEN COMMIT; END IF; ROLLBACK; END",
        "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN COMMIT; END CASE; WHILE b DO COMMIT; END WHILE; COMMIT; END",
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM x; COMMIT; END",
        "CREATE TRIGGER x BEFORE INSERT ON y FOR EACH ROW IF NEW.a THEN SET NEW.b = 1; ROLLBACK; END IF",
        "BEGIN NOT ATOMIC START TRANSACTION; COMMIT; END",
        "CREATE PROCEDURE p() BEGIN COMMIT; ",
    ] {
        check(sql, &[]);
    }
    for sql in [
        "CREATE TRIGGER x AFTER INSERT ON y BEGIN DELETE FROM z; END; COMMIT",
        "BEGIN NOT ATOMIC DELETE FROM x; END; COMMIT",
        "CREATE TABLE event (begin INT); COMMIT",
        "CREATE INDEX trigger ON x (y); COMMIT",
        "CREATE TRIGGER t AFTER INSERT ON x BEGIN UPDATE y SET end = 1, z = CASE end WHEN 1 THEN 2 END; SELECT begin FROM x; END; COMMIT",
        "CREATE FUNCTION f(begin date) RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql; COMMIT",
        "CREATE PROCEDURE p() a: BEGIN b: BEGIN COMMIT; END b; c: LOOP COMMIT; END LOOP c; END a; COMMIT",
        "CREATE PROCEDURE p() BEGIN IF a THEN BEGIN COMMIT; END; ELSE BEGIN ROLLBACK; END; END IF; END; COMMIT",
        "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN IF b THEN COMMIT; END IF; ELSE BEGIN END; END CASE; END; COMMIT",
        "CREATE PROCEDURE p() SELECT 1; COMMIT",
    ] {
        check(sql, &[commit()]);
    }
}

#[test]
fn a_text_that_ends_within_a_body_begins_nothing() {
    check(
        "BEGIN; CREATE TRIGGER x AFTER UPDATE OF begin ON y EXECUTE FUNCTION f(); COMMIT",
        &[],
    );
}

#[test]
fn where_a_literal_ends_is_not_known_nothing_begins() {
    check("BEGIN; INSERT INTO x VALUES ('a\\'); COMMIT", &[commit()]);
}

#[test]
fn the_first_of_many_effects_are_forgotten() {
    let found = effects(&"BEGIN; COMMIT; ".repeat(1000)).expect("effects");
    assert_eq!((found.len(), &found[0]), (MOST, &begins(false)));
}
