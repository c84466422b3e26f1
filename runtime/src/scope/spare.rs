//! The memory of a scope that has ended, for the next scope of its thread. Most scopes live for one call of a function.

use std::cell::Cell;
use std::sync::Arc;

use super::Scope;

thread_local! {
    /// Nothing else refers to it.
    static SPARE: Cell<Option<Arc<Scope>>> = const { Cell::new(None) };
}

pub(super) fn keep(scope: Arc<Scope>) {
    // Fails while the thread is torn down.
    let _ = SPARE.try_with(|spare| spare.set(Some(scope)));
}

pub(super) fn take() -> Option<Arc<Scope>> {
    SPARE.try_with(Cell::take).ok().flatten()
}
