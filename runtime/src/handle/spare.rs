//! The memory of a handle whose permit is free again, for the next handle of its thread.

use std::cell::Cell;
use std::sync::Arc;

use super::Handle;

thread_local! {
    /// Nothing else refers to it.
    static SPARE: Cell<Option<Arc<Handle>>> = const { Cell::new(None) };
}

/// Keeps the memory, if nothing else refers to the handle.
pub(super) fn keep(mut handle: Arc<Handle>) {
    if let Some(ended) = Arc::get_mut(&mut handle) {
        ended.clear();
        // Fails while the thread is torn down.
        let _ = SPARE.try_with(|spare| spare.set(Some(handle)));
    }
}

pub(super) fn take() -> Option<Arc<Handle>> {
    SPARE.try_with(Cell::take).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::future::{Future, ready};
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::handle::asked::{Asked, Purpose};
    use crate::handle::held::Held;
    use crate::handle::unread::Unread;
    use crate::pool_state::PoolState;
    use crate::pool_state::connections::Shown;
    use crate::scope::origin::Origin;
    use crate::site::tally;
    use crate::snapshot::Activity;
    use crate::source::place::Place;

    fn held(pool: &Arc<PoolState>) -> Held {
        Held::at_once(Asked {
            pool: Arc::clone(pool),
            origin: Origin::UnlessPolled(Place::UNKNOWN),
            purpose: Purpose::Connection,
            task: None,
            when: Instant::now(),
        })
    }

    fn give_back(held: Held) {
        let returned = pin!(held.return_by(ready(())));
        let polled = returned.poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready());
    }

    /// All that is seen of a handle but its number, at the time at which it was requested.
    fn seen(held: &Held) -> String {
        let handle = held.handle();
        let mut info = handle.read(handle.asked());
        info.id = 0;
        let flags = [
            handle.is_poisoned(),
            handle.is_broken(),
            handle.has_failed(),
            handle.may_leave_state(),
            handle.may_be_lent(),
        ];
        let (unread, reported) = (handle.unread(), handle.glance().reported);
        format!("{info:?} {flags:?} {unread:?} {reported:?}")
    }

    /// Does to it whatever can be done without a server.
    fn use_up(handle: &Handle) {
        let tally = tally::without_site("CREATE TEMPORARY TABLE spare (id INTEGER)");
        let unread = Unread {
            tally,
            rows: 1,
            answered: true,
        };
        handle.begin_transaction().transaction_began(true);
        let now = handle.begin_statement(tally, Activity::Streaming);
        handle.read_rows(1);
        handle.end_statement(Some(tally), now, Duration::ZERO, true, Some(unread));
        handle.note_effects(tally, tally.effects(), |_| true);
        handle.lend(1);
        handle.reserve("a test".to_owned());
        handle.poison(Shown::Program);
        handle.note_broken();
        handle.set_reported(|reported| reported.idle_ever = true);
    }

    #[test]
    fn the_next_handle_takes_the_memory_and_nothing_else() {
        let pool = PoolState::for_tests(1);
        let fresh = held(&pool);
        let first = held(&pool);
        let (address, number) = (Arc::as_ptr(first.handle()), first.handle().id());
        use_up(first.handle());
        assert_ne!(seen(&first), seen(&fresh));
        give_back(first);
        let second = held(&pool);
        assert_eq!(Arc::as_ptr(second.handle()), address);
        assert_ne!(second.handle().id(), number);
        assert_eq!(seen(&second), seen(&fresh));
    }

    #[test]
    fn a_handle_keeps_its_memory_while_something_refers_to_it() {
        let pool = PoolState::for_tests(1);
        let first = held(&pool);
        let kept = Arc::clone(first.handle());
        give_back(first);
        assert!(!Arc::ptr_eq(held(&pool).handle(), &kept));
    }
}
