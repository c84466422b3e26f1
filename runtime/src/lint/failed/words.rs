//! What a failed transaction means on each database, and what is right there.

use super::step::Step;
use crate::handle::failing::Failed;
use crate::pool_state::aftermath::Aftermath;
use crate::pool_state::endpoint::System;

/// The words of a finding.
pub(super) struct Words {
    pub(super) server: &'static str,
    /// What the server has done with the transaction.
    pub(super) ended: &'static str,
    pub(super) label: &'static str,
    pub(super) cause: &'static str,
    pub(super) helps: Vec<String>,
}

impl Words {
    pub(super) fn of(system: System, step: Step, failed: &Failed) -> Self {
        let by_text = failed.transaction.text.is_some();
        match failed.failure.aftermath {
            Aftermath::Refused => Self {
                server: "the server",
                ended: "failed",
                label: refused(step),
                cause: "after an error, PostgreSQL refuses every statement in the transaction, and turns its COMMIT into a ROLLBACK",
                helps: after_refusal(by_text),
            },
            Aftermath::RolledBack | Aftermath::MayBeRolledBack => Self {
                server: if system.is_embedded() {
                    "SQLite"
                } else {
                    "the server"
                },
                ended: "rolled back",
                label: outside(system, step),
                cause: why_rolled_back(system, step, failed),
                helps: after_rollback(system, failed, by_text),
            },
        }
    }
}

fn refused(step: Step) -> &'static str {
    match step {
        _ if step.commits() => "this commit is a rollback, and returns `Ok`",
        Step::Release => "the server refuses to release this savepoint",
        Step::Savepoint => "the server refuses to set this savepoint",
        Step::Begin => "the server refuses this begin: the failed transaction is still open",
        _ => "the server refuses this statement",
    }
}

fn outside(system: System, step: Step) -> &'static str {
    match step {
        _ if step.commits() && system.is_embedded() => {
            "this commit fails: no transaction is open any more"
        }
        _ if step.commits() => "this commit saves nothing that was written before the error",
        Step::FailedRollback => "this rollback undoes nothing: no transaction is open any more",
        Step::Release => "the server no longer has this savepoint",
        Step::Savepoint | Step::Begin => "this is set outside of the transaction",
        _ => "this statement runs outside of the transaction",
    }
}

const DEADLOCK: &str = "at a deadlock, the server rolls back the whole transaction; each later statement is committed by itself";
const NO_ROOM: &str = "with no room left for its locks, the server rolls back the whole transaction; each later statement is \
                       committed by itself";
const CHANGED: &str = "another transaction has changed the row since this one has read it, and the server rolls back the whole of this \
                       one; each later statement is committed by itself";
const CONFLICT: &str = "at a conflict, `OR ROLLBACK` rolls back the whole transaction; each later statement is committed by itself";
const NONE_OPEN: &str = "SQLite answers that no transaction is open: it has rolled back the whole transaction at an error, and has committed \
                         each later statement by itself";

fn why_rolled_back(system: System, step: Step, failed: &Failed) -> &'static str {
    let code = &failed.failure.code;
    match step {
        Step::FailedCommit | Step::FailedRollback => NONE_OPEN,
        _ if system.is_embedded() => CONFLICT,
        _ if code.starts_with("1020") => CHANGED,
        _ if code.starts_with("1206") => NO_ROOM,
        _ => DEADLOCK,
    }
}

fn after_refusal(by_text: bool) -> Vec<String> {
    let helps = if by_text {
        [
            "send `ROLLBACK` when a statement fails; a value of `conn.begin().await?` does so when it is dropped",
            "or set a savepoint before what may fail, and go back to it: `SAVEPOINT before`, `ROLLBACK TO before`",
        ]
    } else {
        [
            "return the error of the statement that failed, so that the transaction is rolled back: `?`",
            "or run what may fail inside a savepoint, and roll that back: `let mut savepoint = tx.begin().await?`, `savepoint.rollback().await?`",
        ]
    };
    helps.map(str::to_owned).to_vec()
}

fn after_rollback(system: System, failed: &Failed, by_text: bool) -> Vec<String> {
    let from = if by_text { "its BEGIN" } else { "`begin`" };
    let mut helps = vec![format!(
        "return the error of the statement that failed, and retry the whole transaction from {from}"
    )];
    let code = &*failed.failure.code;
    let more = match system {
        System::Sqlite => in_sqlite(code),
        _ if code.starts_with("1206") => Some("write and lock fewer rows in one transaction"),
        _ if code.starts_with("1020") => {
            Some("lock the rows where they are read: `SELECT … FOR UPDATE`")
        }
        _ => Some("take locks in the same order everywhere, so that no deadlock forms"),
    };
    helps.extend(more.map(str::to_owned));
    helps
}

/// How to let the statement alone fail. `code` is SQLite's extended one.
fn in_sqlite(code: &str) -> Option<&'static str> {
    match code {
        "1811" => Some(
            "or, if the rest of the transaction is to be kept, let the trigger fail the statement alone: `RAISE(ABORT, …)`",
        ),
        "275" | "1299" | "1555" | "2067" | "2579" => Some(
            "or, if the rest of the transaction is to be kept, let the statement alone fail: without `OR ROLLBACK`, and without \
             `ON CONFLICT ROLLBACK` in the table",
        ),
        _ => None,
    }
}
