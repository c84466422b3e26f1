//! The effects of texts.

mod databases;
mod functions;
mod pragmas;
mod settings;
mod transactions;

use super::{
    Condition, Effect, Item, Kind, Undo, effects, effects_of_first, locks_for_writing,
    rolls_back_on_conflict,
};

/// What a text sets, in one line each: its label, and what is special.
fn sets(sql: &str) -> Vec<String> {
    let effects = effects(sql).unwrap_or_default();
    let items = effects.iter().filter_map(|effect| match effect {
        Effect::Sets(item) => Some(shown(item)),
        _ => None,
    });
    items.collect()
}

fn shown(item: &Item) -> String {
    let mut shown = format!("{:?}: {}", item.kind, item.label);
    if item.key.is_none() {
        shown += ", unnamed";
    }
    if item.local {
        shown += ", local";
    }
    if item.bound {
        shown += ", bound";
    }
    match item.condition {
        Condition::Ok => {}
        condition => shown += &format!(", {condition:?}"),
    }
    shown
}

/// Each text sets this and nothing else, and undoes nothing.
#[track_caller]
fn all_set(expected: &[&str], texts: &[&str]) {
    for sql in texts {
        assert_eq!(sets(sql), expected, "{sql}");
        assert_eq!(
            effects(sql).unwrap_or_default().len(),
            expected.len(),
            "{sql}"
        );
    }
}

/// No text has an effect on the session.
#[track_caller]
fn none(texts: &[&str]) {
    for sql in texts {
        let mut found = effects(sql).unwrap_or_default().into_vec();
        // That is no state of the session.
        found.retain(|effect| *effect != Effect::CommitsInMySql);
        assert_eq!(found, [], "{sql}");
    }
}

/// Each text undoes this and sets nothing.
#[track_caller]
fn all_undo(expected: Undo, texts: &[&str]) {
    for sql in texts {
        let found = effects(sql).unwrap_or_default();
        assert_eq!(*found, [Effect::Undoes(expected)], "{sql}");
    }
}

/// The labels of what is left when the text has ended.
fn left(sql: &str) -> Vec<String> {
    let mut left: Vec<Item> = Vec::new();
    for effect in effects(sql).unwrap_or_default() {
        let is_undone = |item: &Item, undo: Undo| match undo {
            Undo::One(kind, key) => {
                kind == item.kind && (key.is_none() || item.key.is_none() || key == item.key)
            }
            Undo::All(kind) => kind == item.kind,
            Undo::Everything => true,
        };
        match effect {
            Effect::Sets(item) => left.push(item),
            // A lock that was taken twice is then held once.
            Effect::Undoes(undo @ Undo::One(Kind::Lock | Kind::NamedLock, _)) => {
                if let Some(position) = left.iter().rposition(|item| is_undone(item, undo)) {
                    left.remove(position);
                }
            }
            Effect::Undoes(undo) => left.retain(|item| !is_undone(item, undo)),
            _ => {}
        }
    }
    left.into_iter().map(|item| item.label.into()).collect()
}

/// Of each text, nothing is left when it has ended.
#[track_caller]
fn nothing_is_left(texts: &[&str]) {
    for sql in texts {
        assert!(!sets(sql).is_empty(), "{sql}");
        assert_eq!(left(sql), [] as [&str; 0], "{sql}");
    }
}

#[test]
fn statements_before_which_mysql_commits() {
    for text in [
        "FLUSH PRIVILEGES",
        "analyze local table exam",
        "OPTIMIZE TABLE exam",
        "GRANT SELECT ON exam TO clerk",
        "RENAME TABLE exam TO old_exam",
    ] {
        let found = effects(text).expect("effects");
        assert_eq!(found[0], Effect::CommitsInMySql, "{text}");
    }
    for text in ["ANALYZE FORMAT=JSON SELECT 1", "CHECKPOINT", "ANALYZE exam"] {
        assert_eq!(effects(text), None, "{text}");
    }
}

#[test]
fn begins_that_lock_for_writing() {
    for text in [
        "BEGIN IMMEDIATE",
        "begin exclusive transaction",
        "-- why\nBEGIN /* now */ IMMEDIATE;",
    ] {
        assert!(locks_for_writing(text), "{text}");
    }
    for text in ["BEGIN", "BEGIN DEFERRED", "BEGIN TRANSACTION", "COMMIT", ""] {
        assert!(!locks_for_writing(text), "{text}");
    }
}

#[test]
fn texts_that_roll_back_on_conflict() {
    for text in [
        "INSERT OR ROLLBACK INTO exam VALUES (?)",
        "WITH n AS (SELECT 1) insert or rollback into exam select * from n;",
        "UPDATE OR ROLLBACK exam SET name = 'b'",
    ] {
        assert!(rolls_back_on_conflict(text), "{text}");
    }
    for text in [
        "INSERT INTO exam VALUES ('INSERT OR ROLLBACK')",
        "INSERT OR ABORT INTO exam VALUES (?)",
        "SELECT * FROM exam WHERE done OR rollback",
        "INSERT OR ROLLBACK INTO exam VALUES (?); INSERT INTO exam VALUES (?)",
        "ROLLBACK",
        "",
    ] {
        assert!(!rolls_back_on_conflict(text), "{text}");
    }
}

#[test]
fn of_the_first_statements_of_a_text() {
    let text = "BEGIN; INSERT INTO exam VALUES (1); COMMIT; INSERT INTO nowhere VALUES (1)";
    let of = |statements| effects_of_first(statements, text).map_or(0, |effects| effects.len());
    assert_eq!([0, 1, 2, 3, 4, 9].map(of), [0, 1, 1, 2, 2, 2]);
}
