//! Open transactions and savepoints of a handle, and what is lost when one is dropped.

use std::sync::Arc;

use super::Handle;
use crate::site::{Place, Site};
use crate::tally::Tally;

/// A transaction or savepoint that is open.
#[derive(Debug)]
pub(super) struct Begun {
    place: Place,
    in_block: bool,
    /// The last statement in it that wrote.
    wrote: Option<&'static Tally>,
}

/// How a transaction or savepoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Committed,
    RolledBack,
}

/// A transaction or savepoint that had written and was dropped.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) handle: Arc<Handle>,
    /// Where it was begun.
    pub(crate) begun: Place,
    /// That is in a block, a closure or a macro, which may have been left early, or given up.
    pub(crate) in_block: bool,
    pub(crate) wrote: &'static Tally,
    pub(crate) is_savepoint: bool,
}

impl Handle {
    pub(crate) fn transaction_depth(&self) -> u32 {
        u32::try_from(self.state().transactions.len()).unwrap_or(u32::MAX)
    }

    /// A transaction, or in one a savepoint, was begun at `site`, where that is known.
    pub(crate) fn transaction_began(&self, site: Option<&'static Site>) {
        let begun = Begun {
            place: site.map_or(self.place, Site::place),
            in_block: site.is_some_and(Site::has_block),
            wrote: None,
        };
        let mut state = self.state();
        if state.transactions.is_empty() {
            state.is_over = false;
        }
        state.transactions.push(begun);
    }

    pub(crate) fn transaction_ended(&self, end: End) {
        let mut state = self.state();
        let ended = state.transactions.pop();
        // What a savepoint wrote is the transaction's around it, once released.
        if end == End::Committed
            && let Some(wrote) = ended.and_then(|ended| ended.wrote)
            && let Some(around) = state.transactions.last_mut()
        {
            around.wrote = Some(wrote);
        }
    }

    /// The innermost was to end, and that failed: whoever dropped it then was told so.
    pub(crate) fn transaction_failed(&self) {
        if let Some(failed) = self.state().transactions.last_mut() {
            failed.wrote = None;
        }
    }

    /// The innermost transaction or savepoint was dropped while open; gives what goes with it.
    pub(crate) fn transaction_dropped(self: &Arc<Self>) -> Option<Lost> {
        let mut state = self.state();
        let dropped = state.transactions.pop()?;
        Some(Lost {
            handle: Arc::clone(self),
            begun: dropped.place,
            in_block: dropped.in_block,
            wrote: dropped.wrote?,
            is_savepoint: !state.transactions.is_empty(),
        })
    }

    /// A statement on it that may write is over; whether it `wrote`.
    pub(crate) fn note_write(&self, tally: &'static Tally, wrote: bool) {
        let mut state = self.state();
        if self.pool.endpoint.system == "mysql" && tally.changes_schema() {
            if tally.commits_in_mysql() {
                // The server has committed all that was before, also if the statement itself failed, and from here on
                // it commits each statement.
                state.is_over = true;
                for begun in &mut state.transactions {
                    begun.wrote = None;
                }
            }
        } else if wrote
            && !state.is_over
            && let Some(begun) = state.transactions.last_mut()
        {
            begun.wrote = Some(tally);
        }
    }
}
