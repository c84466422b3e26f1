//! PRAGMAs that change a connection of SQLite.

use super::reader::Reader;
use super::usual;
use super::{Found, Item, Key, Kind, Undo, label};

/// Reads what follows PRAGMA: `[schema.]name = value`, or `[schema.]name(value)`. Without a value, it only reads.
pub(super) fn read(reader: &mut Reader<'_>, found: &mut Found) {
    let Some(name) = reader.qualified_name() else {
        return;
    };
    let Some(usual) = usual::of_pragma(name.name) else {
        return;
    };
    if !reader.takes_sign('=') && !reader.takes_sign('(') {
        return;
    }
    let value = reader.value();
    let key = Some(Key::of(name.name));
    let is_usual = value.plain().is_some_and(|value| {
        let sign = if value.is_negative { "-" } else { "" };
        usual::is_one_of(usual, &format!("{sign}{}", value.text))
    });
    if is_usual {
        found.undoes(Undo::One(Kind::Pragma, key));
    } else {
        found.sets(Item::new(Kind::Pragma, label("PRAGMA", name.name), key));
    }
}
