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

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::scope::common::Innermost;
    use crate::scope::{Awaited, Kind};
    use crate::site::{TrackedFn, tally};
    use crate::source::function::Function;
    use crate::source::options::Options;

    static FUNCTION: TrackedFn =
        TrackedFn::new(Function::unseen(file!(), "at 1:1", &Options::NONE));

    fn made() -> (Arc<Scope>, *const Scope) {
        let here = Awaited::polled(Location::caller());
        let scope = Scope::new(Kind::Function, &FUNCTION, None, here);
        let address = Arc::as_ptr(&scope);
        (scope, address)
    }

    #[test]
    fn the_next_scope_takes_the_memory_of_a_clean_one_and_nothing_else() {
        let (first, address) = made();
        let tally = tally::without_site("SELECT a FROM spare");
        first.count_statement(tally, None);
        assert!(!first.ledger().begins_again(tally));
        let number = first.step().scope;
        Scope::end_clean(first);
        let (second, of_second) = made();
        assert_eq!(of_second, address);
        assert_ne!(second.step().scope, number);
        assert_eq!(
            second.statements.load(std::sync::atomic::Ordering::Relaxed),
            0
        );
        assert!(
            !second.ledger().begins_again(tally),
            "nothing has begun in it"
        );
    }

    #[test]
    fn a_scope_keeps_its_memory_while_something_refers_to_it() {
        let (first, address) = made();
        let kept = Arc::clone(&first);
        Scope::end_clean(first);
        assert_ne!(made().1, address);
        drop(kept);
    }
}
