//! Keeps up with what statements do to transactions. Looks for a failed transaction before a statement is sent in it, and
//! before it is committed.

use sqlx::Error;

use crate::handle::Handle;
use crate::handle::begun::End;
use crate::handle::failing::Failed;
use crate::handle::failure::Sent;
use crate::lint::{self, Reaction, Step};
use crate::pool_state::aftermath::{Aftermath, says_that_none_is_open};
use crate::scope::context;
use crate::site::tally::Tally;
use crate::site::{self, Site};
use crate::sql::{Effect, Ends, effects_of_first, is_several, summarise};

/// Called before a statement is sent on the handle.
///
/// # Panics
///
/// At the call site, where `failed_transaction` is at deny and the server has failed the transaction.
#[inline]
pub(crate) fn judge_statement(handle: &Handle, tally: &'static Tally) {
    if handle.has_failed() {
        judge_next(handle, tally);
    }
}

#[cold]
fn judge_next(handle: &Handle, tally: &'static Tally) {
    if !tally.may_roll_back()
        && let Some(failed) = handle.take_failure()
    {
        // A transaction that was rolled back as a whole may begin anew.
        let begins_anew = failed.failure.aftermath == Aftermath::RolledBack
            && matches!(tally.effects().first(), Some(Effect::Begins { .. }));
        if !begins_anew {
            report(handle, Step::Statement(tally), &failed);
        }
    }
}

/// Called before a `begin`, of a transaction or of a savepoint.
///
/// # Panics
///
/// As [`judge_statement`].
#[inline]
pub(crate) fn judge_begin(handle: &Handle) {
    if handle.has_failed() {
        judge_next_begin(handle);
    }
}

#[cold]
fn judge_next_begin(handle: &Handle) {
    let Some(failed) = handle.take_failure() else {
        return;
    };
    if handle.transaction_depth() > 0 {
        report(handle, Step::Savepoint, &failed);
    } else if failed.failure.aftermath != Aftermath::RolledBack {
        // One that was rolled back as a whole begins anew.
        report(handle, Step::Begin, &failed);
    }
}

/// Called before the innermost transaction or savepoint is committed.
///
/// # Panics
///
/// As [`judge_statement`].
#[inline]
pub(crate) fn judge_commit(handle: &Handle) {
    if handle.has_failed() {
        judge_next_commit(handle);
    }
}

#[cold]
fn judge_next_commit(handle: &Handle) {
    if let Some(failed) = handle.take_failure() {
        let is_savepoint = handle.transaction_depth() > 1;
        let step = if is_savepoint {
            Step::Release
        } else {
            Step::Commit
        };
        report(handle, step, &failed);
    }
}

/// Called when the innermost transaction or savepoint could not be ended.
///
/// # Panics
///
/// As [`judge_statement`].
pub(crate) fn judge_failed_end(handle: &Handle, end: End, error: &Error) {
    let step = match end {
        End::Committed => Step::FailedCommit,
        End::RolledBack => Step::FailedRollback,
    };
    if let Some(failed) = found_none_open(handle, step, error) {
        report(handle, step, &failed);
    }
}

/// The failure after which no transaction was open any more, as the failed end of one shows.
fn found_none_open(handle: &Handle, step: Step, error: &Error) -> Option<Failed> {
    let error = error.as_database_error()?;
    if !handle.pool.endpoint.system.is_embedded() || !says_that_none_is_open(error) {
        return None;
    }
    let failed = handle.take_suspect()?;
    // A rollback that finds nothing to undo is harmless, unless something was saved meanwhile.
    let is_harmless = matches!(step, Step::FailedRollback) && failed.failure.wrote_since.is_none();
    (!is_harmless).then_some(failed)
}

#[cold]
fn report(handle: &Handle, step: Step, failed: &Failed) {
    let site = context::site();
    let place = site.map(Site::place).or_else(|| step.place());
    let reaction = lint::failed_transaction(handle, step, failed, place, true);
    if let Reaction::Panic(message) = reaction {
        site::panic_at(site, place.and_then(|place| place.function), &message);
    }
}

/// Called when a statement has failed. `completed` is the number of statements in its text that have completed before;
/// `None` if that was not seen.
#[cold]
pub(super) fn statement_failed(
    handle: &Handle,
    tally: &'static Tally,
    error: &Error,
    completed: Option<usize>,
) {
    if !tally.effects().is_empty() {
        // Of texts that share a tally, the parts are not known.
        let is_known = !tally.is_shared();
        let completed = completed.or_else(|| (!is_several(tally.sql())).then_some(0));
        let Some(completed) = completed.filter(|_| is_known) else {
            handle.note_unknown_effects(tally.effects());
            return;
        };
        note_effects_before_failure(handle, tally, error, completed);
    }
    if let Some(error) = error.as_database_error() {
        let sent = Sent {
            sql: tally.sql(),
            summary: &tally.summary,
            place: tally.place(),
        };
        handle.note_failure(sent, error);
    }
}

/// Records what the statements of a text did before one of them failed, and what its failure has ended.
fn note_effects_before_failure(
    handle: &Handle,
    tally: &'static Tally,
    error: &Error,
    completed: usize,
) {
    let effects_of =
        |statements| effects_of_first(statements, tally.sql()).map_or(0, |it| it.len());
    let all = tally.effects();
    let (done, rest) = all.split_at(effects_of(completed).min(all.len()));
    // PostgreSQL undoes with the text what it has set.
    handle.note_effects(tally, done, |_| false);
    let of_failed = effects_of(completed + 1).saturating_sub(done.len());
    for effect in rest.iter().take(of_failed) {
        if let Effect::Ends { end, .. } = effect {
            end_failed(handle, tally, *end, error);
        }
    }
}

/// Called when a text has failed to end a transaction. The statement is still to be counted, so this does not panic.
fn end_failed(handle: &Handle, tally: &'static Tally, end: Ends, error: &Error) {
    let system = handle.pool.endpoint.system;
    let (step, is_over) = match end {
        Ends::Commit => (Step::FailedCommit, system.ends_at_failed_commit()),
        Ends::Rollback => (Step::FailedRollback, false),
    };
    if is_over && error.as_database_error().is_some() {
        handle.note_end_of_all();
    }
    if let Some(failed) = found_none_open(handle, step, error) {
        let _: Reaction = lint::failed_transaction(handle, step, &failed, tally.place(), false);
    }
}

/// Records the error of an operation of the driver that sends `sql`: `prepare`, `describe`, a savepoint.
#[cold]
pub(crate) fn operation_failed(handle: &Handle, sql: &str, error: &Error) {
    let Some(error) = error.as_database_error() else {
        return;
    };
    let summary = summarise(sql).text;
    let sent = Sent {
        sql,
        summary: &summary,
        place: context::site().map(Site::place),
    };
    handle.note_failure(sent, error);
}
