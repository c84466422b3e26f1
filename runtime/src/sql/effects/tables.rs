//! Temporary tables and their like, and locks on tables.

use super::reader::{Qualified, Reader, upper};
use super::{Effect, Found, Item, Key, Kind, Undo, body, label};
use crate::sql::tokens::Token;

/// The kind of a created object.
enum Object {
    /// Its definition has statements.
    WithBody,
    Other,
}

/// Reads what follows CREATE.
pub(super) fn create(reader: &mut Reader<'_>, found: &mut Found) {
    let mut is_temporary = false;
    let (words, object) = loop {
        let word = match reader.take() {
            Some(Token::Word(word)) => word,
            None | Some(Token::Punct('(')) => return,
            Some(_) => continue,
        };
        match upper(word, &mut [0; 16]) {
            "TEMP" | "TEMPORARY" => is_temporary = true,
            "TRIGGER" => break ("CREATE TEMPORARY TRIGGER", Object::WithBody),
            "FUNCTION" | "PROCEDURE" | "EVENT" | "PACKAGE" => break ("", Object::WithBody),
            "TABLE" => break ("CREATE TEMPORARY TABLE", Object::Other),
            "VIEW" => break ("CREATE TEMPORARY VIEW", Object::Other),
            "SEQUENCE" => break ("CREATE TEMPORARY SEQUENCE", Object::Other),
            "INDEX" | "SCHEMA" | "DATABASE" | "TYPE" => return,
            _ => {}
        }
    };
    let name = created_name(reader);
    if let Object::WithBody = object {
        body::take(reader, false);
    }
    if let Some(name) = name
        && !words.is_empty()
        && (is_temporary || name.schema.is_some_and(is_temporary_schema))
        && !drops_on_commit(reader)
    {
        let key = Some(Key::of(name.name));
        found.sets(Item::new(Kind::TempTable, label(words, name.name), key));
    }
}

/// `[IF NOT EXISTS] name`.
fn created_name<'a>(reader: &mut Reader<'a>) -> Option<Qualified<'a>> {
    if reader.takes("IF") && !reader.takes_all(&["NOT", "EXISTS"]) {
        return None;
    }
    reader.qualified_name()
}

/// Whether it is PostgreSQL's schema of temporary tables: `pg_temp`, `pg_temp_3`. SQLite's is `temp`, which elsewhere may
/// be any schema.
fn is_temporary_schema(schema: &str) -> bool {
    let start = schema.get(.."pg_temp".len());
    start.is_some_and(|start| start.eq_ignore_ascii_case("pg_temp"))
}

/// Takes the rest of the statement, and returns whether it has `ON COMMIT DROP`.
fn drops_on_commit(reader: &mut Reader<'_>) -> bool {
    while reader.peek().is_some() {
        if reader.takes_all(&["ON", "COMMIT", "DROP"]) {
            return true;
        }
        reader.take();
    }
    false
}

/// Reads what follows `SELECT … INTO`: PostgreSQL makes a table of the rows.
pub(super) fn select_into(reader: &mut Reader<'_>, found: &mut Found) {
    if !reader.takes_one_of(&["TEMP", "TEMPORARY"]) {
        return;
    }
    reader.takes("TABLE");
    if let Some(name) = reader.qualified_name() {
        let words = label("SELECT INTO TEMPORARY", name.name);
        let key = Some(Key::of(name.name));
        found.sets(Item::new(Kind::TempTable, words, key));
    }
}

/// Reads what follows DROP.
pub(super) fn drop(reader: &mut Reader<'_>, found: &mut Found) {
    reader.takes("TEMPORARY");
    if !reader.takes_one_of(&["TABLE", "VIEW", "SEQUENCE", "TRIGGER"]) {
        return;
    }
    reader.takes_all(&["IF", "EXISTS"]);
    while let Some(name) = reader.qualified_name() {
        found.undoes(Undo::One(Kind::TempTable, Some(Key::of(name.name))));
        if !reader.takes_sign(',') {
            return;
        }
    }
}

/// Reads what follows ALTER. A temporary table that has another name is not followed.
pub(super) fn alter(reader: &mut Reader<'_>, found: &mut Found) {
    if !reader.takes_one_of(&["TABLE", "VIEW", "SEQUENCE"]) {
        return;
    }
    reader.takes_all(&["IF", "EXISTS"]);
    reader.takes("ONLY");
    let Some(name) = reader.qualified_name() else {
        return;
    };
    if reader.takes("RENAME") && reader.takes_one_of(&["TO", "AS"]) {
        found.undoes(Undo::One(Kind::TempTable, Some(Key::of(name.name))));
    }
}

/// Reads what follows LOCK. PostgreSQL writes `LOCK TABLE exam IN … MODE`, where the lock ends with its transaction.
pub(super) fn lock(reader: &mut Reader<'_>, found: &mut Found) {
    let is_plural = reader.takes("TABLES");
    if !is_plural && !reader.takes("TABLE") {
        return;
    }
    let has_mode = |reader: &mut Reader<'_>| {
        reader.qualified_name();
        while reader.peek().is_some() {
            if reader.is_at("IN") {
                return false;
            } else if reader.is_at_one_of(&["READ", "WRITE"]) {
                return true;
            }
            reader.take();
        }
        false
    };
    if is_plural || has_mode(reader) {
        found.sets(table_lock("LOCK TABLES"));
    }
}

/// Reads what follows FLUSH: `TABLES … WITH READ LOCK`, or `TABLES … FOR EXPORT`.
pub(super) fn flush(reader: &mut Reader<'_>, found: &mut Found) {
    reader.takes_one_of(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
    let is_of_tables = reader.takes_one_of(&["TABLES", "TABLE"]);
    while is_of_tables && reader.peek().is_some() {
        if reader.takes_all(&["WITH", "READ", "LOCK"]) || reader.takes_all(&["FOR", "EXPORT"]) {
            found.sets(table_lock("FLUSH TABLES"));
            return;
        }
        reader.take();
    }
    found.push(Effect::CommitsInMySql);
}

/// Reads what follows ANALYZE and its like. MariaDB's ANALYZE of a statement commits nothing.
pub(super) fn maintain(reader: &mut Reader<'_>, found: &mut Found) {
    reader.takes_one_of(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
    if reader.takes_one_of(&["TABLES", "TABLE"]) {
        found.push(Effect::CommitsInMySql);
    }
}

/// Reads what follows UNLOCK.
pub(super) fn unlock(reader: &mut Reader<'_>, found: &mut Found) {
    if reader.takes_one_of(&["TABLES", "TABLE"]) {
        found.undoes(Undo::All(Kind::TableLock));
    }
}

/// The locks on tables are released together.
fn table_lock(label: &str) -> Item {
    Item::new(Kind::TableLock, label, Some(Key::of("")))
}
