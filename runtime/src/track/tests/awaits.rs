//! Where a future is awaited, as seen from inside it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use futures_util::future::join;

use crate::scope::context::{awaited_at, scope, site};
use crate::site::TrackedFn;
use crate::track;

static FUNCTION: TrackedFn = TrackedFn::written(
    (),
    |_, _| unreachable!("nothing is at deny"),
    file!(),
    "site 1:1 fetch_one; site 2:1 begin",
);

type At = Option<&'static Location<'static>>;

/// Runs a future that never waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    match poll(pin!(future)) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing to wait for"),
    }
}

/// The line of the current call site, and of where its future is awaited.
fn now() -> Option<(u32, u32)> {
    Some((site()?.position().0, awaited_at()?.line()))
}

/// Waits until it is polled again. Returns what was current in both polls.
async fn both_polls() -> [Option<(u32, u32)>; 2] {
    let mut first = None;
    let second = poll_fn(|_| {
        if first.is_some() {
            return Poll::Ready(now());
        }
        first = Some(now());
        Poll::Pending
    });
    let second = second.await;
    [first.expect("a first poll"), second]
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// An acquire that returns where it is awaited.
fn acquire() -> impl Future<Output = At> {
    track::at(&FUNCTION, 0, async { awaited_at() })
}

/// A tracked function that returns where it is awaited.
fn find() -> impl Future<Output = At> {
    let body = async { scope().map(|scope| scope.polled_at()) };
    track::scope_opaque(&FUNCTION, body)
}

#[track_caller]
fn is_here(at: At) {
    let (at, here) = (at.expect("a place"), Location::caller());
    assert_eq!((at.file(), at.line()), (here.file(), here.line()));
}

#[track_caller]
fn is_elsewhere(at: At) {
    assert_ne!(at.expect("a place").file(), file!());
}

#[test]
fn a_direct_await_is_seen_at_its_place() {
    run(async {
        is_here(acquire().await);
        is_here(find().await);
        is_here((find()).await);
        let later = find();
        is_here(later.await);
    });
}

#[test]
fn a_combinator_is_seen_where_it_polls() {
    run(async {
        is_elsewhere(acquire().map(|at| at).await);
        is_elsewhere(find().map(|at| at).await);
        let (one, other) = join(acquire(), find()).await;
        is_elsewhere(one);
        is_elsewhere(other);
        is_elsewhere(acquire().now_or_never().expect("it never waits"));
    });
}

#[test]
fn a_future_behind_a_pointer_is_seen_elsewhere() {
    run(async {
        is_elsewhere(Box::pin(acquire()).await);
        is_elsewhere(Box::pin(find()).await);
        is_elsewhere(acquire().boxed().await);
        is_elsewhere(find().boxed().await);
        let mut pinned = pin!(acquire());
        is_elsewhere(pinned.as_mut().await);
        let mut pinned = pin!(find());
        is_elsewhere(pinned.as_mut().await);
    });
}

#[test]
fn a_wrapper_is_seen_at_its_own_await() {
    async fn wrapped(future: impl Future<Output = At>) -> (At, u32) {
        (future.await, line!())
    }
    run(async {
        let (at, line) = wrapped(find()).await;
        assert_eq!(at.expect("a place").line(), line);
    });
}

#[test]
fn nothing_is_awaited_inside_another_function_or_outside_a_site() {
    run(async {
        assert_eq!(awaited_at(), None);
        let inside = track::scope_opaque(&FUNCTION, async { awaited_at() });
        assert_eq!(track::at(&FUNCTION, 0, inside).await, None);
        track::enter(&FUNCTION, 0, ());
        assert!(
            site().is_some() && awaited_at().is_none(),
            "a stream is made, not awaited"
        );
        track::leave(());
    });
}

#[test]
fn a_scope_keeps_its_site_from_poll_to_poll() {
    let waits_at = |index| {
        let body = async move {
            let line = line!() + 1;
            let site = track::awaiting(index);
            let polls = track::awaited(site, both_polls().await);
            (polls, now(), line)
        };
        track::scope_opaque(&FUNCTION, body)
    };
    let (mut one, mut other) = (pin!(waits_at(0)), pin!(waits_at(1)));
    assert!(poll(one.as_mut()).is_pending());
    assert!(poll(other.as_mut()).is_pending());
    assert_eq!(now(), None, "between two polls");
    for (future, site) in [(one, 1), (other, 2)] {
        let Poll::Ready((polls, after, line)) = poll(future) else {
            panic!("it waits once");
        };
        assert_eq!(polls, [Some((site, line)); 2]);
        assert_eq!(after, None, "behind the await");
    }
}

#[test]
fn a_scope_that_is_cancelled_is_at_no_site() {
    /// Notes the current call site each time that one of them is dropped.
    struct Dropped<'a>(&'a RefCell<Vec<Option<(u32, u32)>>>);

    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.borrow_mut().push(now());
        }
    }

    let seen = RefCell::default();
    let dropped = Dropped(&seen);
    let body = async {
        let _dropped = dropped;
        scope();
        let site = track::awaiting(0);
        track::awaited(site, both_polls().await);
    };
    let mut waits = Box::pin(track::scope_opaque(&FUNCTION, body));
    assert!(poll(waits.as_mut()).is_pending());
    drop(waits);
    assert_eq!(*seen.borrow(), [None]);
}

#[test]
fn a_thread_that_is_in_no_function_is_at_no_site() {
    let site = track::awaiting(0);
    assert_eq!(now(), None);
    track::awaited(site, ());
    run(track::scope_opaque(&FUNCTION, async {
        let site = track::awaiting(9);
        assert_eq!(now(), None);
        track::awaited(site, ());
    }));
}
