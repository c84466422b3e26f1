//! A setting: what identifies it, and what a value does to it.

use super::reader::Value;
use super::usual::{is_one_of, is_usual_setting};
use super::{Effect, Item, Key, Kind, Undo};

/// The modes of transactions. In PostgreSQL, they are those of the open one.
const OF_TRANSACTION: [&str; 3] = [
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
];

/// A setting and its value.
pub(super) struct Setting {
    pub(super) item: Item,
    /// What puts it back.
    undo: Undo,
    /// Whether the connection has this value anyway, or has had it before.
    pub(super) is_usual: bool,
}

impl Setting {
    pub(super) fn new(label: &str, name: &str, bound: bool, is_usual: bool) -> Self {
        let (kind, key) = identity(name);
        let item = Item {
            bound,
            local: is_one_of(&OF_TRANSACTION, canonical(name)),
            ..Item::new(kind, label, Some(key))
        };
        Self {
            item,
            undo: undo_of(name),
            is_usual,
        }
    }

    pub(super) fn of_value(label: &str, name: &str, value: &Value<'_>) -> Self {
        let is_usual = value.plain().is_some_and(|value| {
            value.is_name && value.text.eq_ignore_ascii_case("DEFAULT")
                || is_role(name) && value.text.eq_ignore_ascii_case("NONE")
                || is_usual_setting(canonical(name), value.text)
        });
        // A variable of the user's holds what was there before.
        let is_usual = is_usual || value.is_user_variable();
        Self::new(label, name, value.is_bound, is_usual)
    }

    pub(super) fn effect(self) -> Effect {
        if self.is_usual {
            return Effect::Undoes(self.undo);
        }
        Effect::Sets(self.item)
    }
}

fn is_role(name: &str) -> bool {
    is_one_of(&["role", "session_authorization"], name)
}

/// The name of a variable that has an older name as well.
fn canonical(name: &str) -> &str {
    if name.eq_ignore_ascii_case("tx_isolation") {
        "transaction_isolation"
    } else if name.eq_ignore_ascii_case("tx_read_only") {
        "transaction_read_only"
    } else {
        name
    }
}

/// What identifies a setting.
fn identity(name: &str) -> (Kind, Key) {
    let kind = if is_role(name) {
        Kind::Role
    } else {
        Kind::Setting
    };
    (kind, Key::of(canonical(name)))
}

/// What puts a setting back. The session's own user has no other role.
pub(super) fn undo_of(name: &str) -> Undo {
    let (kind, key) = identity(name);
    if name.eq_ignore_ascii_case("session_authorization") {
        Undo::All(kind)
    } else {
        Undo::One(kind, Some(key))
    }
}
