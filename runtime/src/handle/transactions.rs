//! Open transactions and savepoints of a handle, and what is lost when one is dropped.

use std::sync::Arc;

use super::Handle;
use crate::site::Place;
use crate::tally::Tally;

/// A transaction or savepoint that is open.
#[derive(Debug)]
pub(super) struct Begun {
    place: Place,
    /// The last statement in it that wrote.
    wrote: Option<Arc<Tally>>,
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
    pub(crate) wrote: Arc<Tally>,
    pub(crate) is_savepoint: bool,
}

impl Handle {
    pub(crate) fn transaction_depth(&self) -> u32 {
        u32::try_from(self.state().transactions.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn transaction_began(&self, place: Place) {
        let begun = Begun { place, wrote: None };
        self.state().transactions.push(begun);
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

    /// The innermost transaction or savepoint was dropped while open; gives what goes with it.
    pub(crate) fn transaction_dropped(self: &Arc<Self>) -> Option<Lost> {
        let mut state = self.state();
        let dropped = state.transactions.pop()?;
        Some(Lost {
            handle: Arc::clone(self),
            begun: dropped.place,
            wrote: dropped.wrote?,
            is_savepoint: !state.transactions.is_empty(),
        })
    }

    /// A statement on it has written.
    pub(crate) fn note_write(&self, tally: &Arc<Tally>) {
        let mut state = self.state();
        if tally.changes_schema() && self.pool.endpoint.system == "mysql" {
            // The server has committed everything before it.
            for begun in &mut state.transactions {
                begun.wrote = None;
            }
        } else if let Some(begun) = state.transactions.last_mut() {
            begun.wrote = Some(Arc::clone(tally));
        }
    }
}
