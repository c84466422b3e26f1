//! What is said of a transaction that a text has begun and none has ended.

use std::time::Instant;

use super::words::Way;
use crate::finding::Fact;
use crate::handle::begun::WriteLock;
use crate::handle::effects::LeftOpen;
use crate::measure::units::{count, short};

/// What happened, after the function's name.
pub(super) fn does(pool: &str, way: Way, is_only_connection: bool) -> String {
    match way {
        Way::GivenBack(_) => {
            format!("leaves a transaction open on a connection that goes back to pool {pool}")
        }
        Way::ThroughPool if is_only_connection => {
            format!(
                "begins a transaction through pool {pool}, whose only connection goes back inside it"
            )
        }
        Way::ThroughPool => format!(
            "begins a transaction through pool {pool}: a connection goes back inside it, and the next statement may run on another"
        ),
    }
}

pub(super) fn cause(left: &LeftOpen) -> String {
    let then = if left.has_failed {
        "the server has failed it, and refuses the statements of whoever gets the connection next"
    } else if left.open.write_lock.is_some() {
        "whoever gets the connection next works inside it, and until somebody commits, nothing of it is saved and no other connection can write to the database"
    } else {
        "whoever gets the connection next works inside it, and nothing of it is saved until somebody commits"
    };
    format!("the pool does not end a transaction that a text has begun: {then}")
}

/// Why it may be over.
pub(super) const MAY_BE_OVER: &str =
    "a statement in it failed, and the database may have rolled all of it back then";
/// Why it may go on, in a pool of one connection.
pub(super) const MAY_GO_ON: &str = "the next statements that are sent to the pool run on the same connection, and may end the transaction";

pub(super) fn facts(left: &LeftOpen) -> Vec<Fact> {
    let open = &left.open;
    let text = open
        .text
        .map(|tally| Fact::new("statement", tally.summary.clone()));
    let mut facts: Vec<Fact> = text.into_iter().collect();
    facts.extend([
        Fact::new(
            "open for",
            short(Instant::now().saturating_duration_since(open.when)),
        ),
        Fact::new("after", count(open.statements, "statement")),
    ]);
    facts.extend(
        open.wrote
            .map(|tally| Fact::new("last write", tally.summary.clone())),
    );
    facts
}

pub(super) fn help(left: &LeftOpen, way: Way) -> Vec<String> {
    let begin = match left.open.write_lock {
        Some(WriteLock {
            statement: None, ..
        }) => "pool.begin_with(\"BEGIN IMMEDIATE\")",
        _ => "pool.begin()",
    };
    let value = format!(
        "begin it as a value, which is rolled back when it is dropped: `let mut tx = {begin}.await?`, and at the end `tx.commit().await?`"
    );
    let last = match way {
        Way::GivenBack(_) => Some(
            "or end it on every way out, also after an error: `sqlx::query(\"ROLLBACK\").execute(&mut *conn).await?`",
        ),
        Way::ThroughPool => None,
    };
    let last = last.map(str::to_owned);
    [value].into_iter().chain(last).collect()
}
