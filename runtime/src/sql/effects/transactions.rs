//! Transactions and savepoints that a text begins or ends.

use super::reader::Reader;
use super::{Effect, Ends, Found, Key, body};

/// Words that may follow a BEGIN of a transaction. NOT is read before: it is followed by DEFERRABLE, or ATOMIC.
const MODES: [&str; 7] = [
    "WORK",
    "TRANSACTION",
    "DEFERRED",
    "CONCURRENT",
    "ISOLATION",
    "READ",
    "DEFERRABLE",
];
/// Reads a statement that begins with one of the words of transactions.
pub(super) fn read(first: &str, reader: &mut Reader<'_>, found: &mut Found) {
    let effect = match first {
        // MariaDB's compound statement.
        "BEGIN" if reader.takes("NOT") && reader.takes("ATOMIC") => {
            return body::take(reader, true);
        }
        "BEGIN" => begin(reader),
        "START" => reader.takes("TRANSACTION").then_some(Effect::Begins {
            writes_at_once: false,
        }),
        // The statements before it were a part of a body.
        "END" if reader.is_at_one_of(&body::PARTS) => return found.effects.clear(),
        "COMMIT" | "END" => end(reader, Ends::Commit),
        "ROLLBACK" => roll_back(reader),
        "ABORT" => end(reader, Ends::Rollback),
        // The transaction is no longer this session's.
        "PREPARE" => (reader.takes("TRANSACTION")).then_some(Effect::Ends {
            end: Ends::Commit,
            chains: false,
        }),
        "SAVEPOINT" => reader
            .name()
            .map(|name| Effect::SetsSavepoint(Key::of(name))),
        "RELEASE" => savepoint(reader).map(Effect::ReleasesSavepoint),
        _ => None,
    };
    if let Some(effect) = effect {
        found.push(effect);
    }
}

/// What follows BEGIN. Only the words of a transaction's begin may.
fn begin(reader: &mut Reader<'_>) -> Option<Effect> {
    let writes_at_once = reader.takes("IMMEDIATE") || reader.takes("EXCLUSIVE");
    let is_begin = reader.peek().is_none() || reader.is_at_one_of(&MODES);
    is_begin.then_some(Effect::Begins { writes_at_once })
}

fn roll_back(reader: &mut Reader<'_>) -> Option<Effect> {
    let _ = reader.takes("WORK") || reader.takes("TRANSACTION");
    if reader.takes("TO") {
        return savepoint(reader).map(Effect::RollsBackTo);
    }
    end(reader, Ends::Rollback)
}

/// What follows the word that ends a transaction.
fn end(reader: &mut Reader<'_>, end: Ends) -> Option<Effect> {
    let _ = reader.takes("WORK") || reader.takes("TRANSACTION");
    if reader.is_at("PREPARED") {
        // Another transaction, that this session has given up.
        return None;
    }
    let chains = reader.takes("AND") && reader.takes("CHAIN");
    Some(Effect::Ends { end, chains })
}

/// `[SAVEPOINT] name`.
fn savepoint(reader: &mut Reader<'_>) -> Option<Key> {
    reader.takes("SAVEPOINT");
    reader.name().map(Key::of)
}
