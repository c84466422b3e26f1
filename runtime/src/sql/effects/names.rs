//! Statements that name one thing of the session: a channel, the default database, an attached database.

use super::reader::Reader;
use super::{Found, Item, Key, Kind, Undo, label};
use crate::sql::tokens::Token;

/// Reads what follows LISTEN.
pub(super) fn listen(reader: &mut Reader<'_>, found: &mut Found) {
    if let Some(channel) = reader.name() {
        let key = Some(Key::of(channel));
        found.sets(Item::new(Kind::Listen, label("LISTEN", channel), key));
    }
}

/// Reads what follows UNLISTEN.
pub(super) fn unlisten(reader: &mut Reader<'_>, found: &mut Found) {
    if let Some(channel) = reader.name() {
        found.undoes(Undo::One(Kind::Listen, Some(Key::of(channel))));
    } else if reader.takes_sign('*') {
        found.undoes(Undo::All(Kind::Listen));
    }
}

/// Reads what follows USE. A connection has one default database.
pub(super) fn use_database(reader: &mut Reader<'_>, found: &mut Found) {
    if let Some(name) = reader.name() {
        let key = Some(Key::of(""));
        found.sets(Item::new(Kind::Database, label("USE", name), key));
    }
}

/// Reads what follows ATTACH: `[DATABASE] file AS name`.
pub(super) fn attach(reader: &mut Reader<'_>, found: &mut Found) {
    while !reader.takes("AS") {
        if reader.take().is_none() {
            return;
        }
    }
    let item = match reader.take() {
        Some(Token::Word(name) | Token::Quoted(name)) => {
            Item::new(Kind::Attached, label("ATTACH", name), Some(Key::of(name)))
        }
        Some(Token::Literal(name)) => Item::new(Kind::Attached, "ATTACH", Some(Key::of(name))),
        _ => Item::new(Kind::Attached, "ATTACH", None),
    };
    found.sets(item);
}

/// Reads what follows DETACH: `[DATABASE] name`.
pub(super) fn detach(reader: &mut Reader<'_>, found: &mut Found) {
    let has_word = reader.takes("DATABASE");
    let name = match reader.take() {
        Some(Token::Word(name) | Token::Quoted(name) | Token::Literal(name)) => Some(name),
        // A database of that name.
        None if has_word => Some("DATABASE"),
        _ => None,
    };
    found.undoes(Undo::One(Kind::Attached, name.map(Key::of)));
}
