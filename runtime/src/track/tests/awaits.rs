//! Where a future is awaited, as seen from inside it.

use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::task::{Poll, Waker};

use futures_util::FutureExt;
use futures_util::future::join;

use crate::scope::context::{awaited_at, scope, site};
use crate::site::TrackedFn;
use crate::source::function::Function;
use crate::track;

static FUNCTION: TrackedFn = TrackedFn::new(Function::written(
    (),
    |_, _| unreachable!("nothing is at deny"),
    file!(),
    "site 1:1 fetch_one",
));

type At = Option<&'static Location<'static>>;

/// Runs a future that never waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing to wait for"),
    }
}

/// An acquire that returns where it is awaited.
fn acquire() -> impl Future<Output = At> {
    track::at(&FUNCTION, 0, async { awaited_at() })
}

/// A tracked function that returns where it is awaited.
fn find() -> impl Future<Output = At> {
    let body = async { scope().map(|scope| scope.polled_at()) };
    track::scope(&FUNCTION, body, |_, _| {})
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
        let inside = track::scope(&FUNCTION, async { awaited_at() }, |_, _| {});
        assert_eq!(track::at(&FUNCTION, 0, inside).await, None);
        track::enter(&FUNCTION, 0, ());
        assert!(
            site().is_some() && awaited_at().is_none(),
            "a stream is made, not awaited"
        );
        track::leave(());
    });
}
