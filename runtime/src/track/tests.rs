//! The attribute and the runtime together, without a database.

mod awaits;

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use sqlx_leash_macros::track;

use crate::scope::Scope;
use crate::scope::context;
use crate::site::{self, Site};
use crate::source::function::Function;
use crate::source::place::Place;

/// The surroundings of an acquire, as seen from inside it.
struct Seen {
    site: &'static Site,
    awaited_at: &'static Location<'static>,
    /// The functions around it, innermost first, and where each is polled.
    functions: Vec<(&'static Function, &'static Location<'static>)>,
}

impl Seen {
    fn is_awaited_directly(&self) -> bool {
        let at = self.awaited_at;
        self.functions[0].0.contains(at) && self.site.is_in_block(at.line(), at.column())
    }

    /// Whether the innermost function is awaited in the body of the one around it.
    fn is_called_directly(&self) -> bool {
        let [(_, polled_at), (caller, _), ..] = self.functions[..] else {
            panic!("two functions");
        };
        caller.contains(polled_at)
    }

    fn is_straight(&self) -> bool {
        self.functions
            .iter()
            .all(|(function, _)| function.is_straight())
    }
}

struct Pool;

impl Pool {
    fn acquire(&self) -> impl Future<Output = Seen> {
        let _: &Self = self;
        async {
            let scope = context::scope().expect("a scope");
            Seen {
                site: context::site().expect("a site"),
                awaited_at: context::awaited_at().expect("a place"),
                functions: scope
                    .chain()
                    .map(|it: &Scope| (it.function(), it.polled_at()))
                    .collect(),
            }
        }
    }
}

/// Runs a future that never waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing to wait for"),
    }
}

/// A macro that polls its argument, like `select!`.
macro_rules! join {
    ($future:expr) => {
        $future.await
    };
}

#[track]
async fn direct(pool: &Pool) -> Seen {
    pool.acquire().await
}

#[track]
async fn keeps(pool: &Pool) -> (bool, &'static Site) {
    let seen = pool.acquire().await;
    let kept = &seen;
    (kept.site.stays(), kept.site)
}

#[track]
async fn polled_by_a_macro(pool: &Pool) -> Seen {
    join!(pool.acquire())
}

#[track]
async fn in_a_block(pool: &Pool) -> Seen {
    let block = async { pool.acquire().await };
    block.await
}

#[track]
async fn in_a_block_that_is_passed_on(pool: &Pool) -> Seen {
    pass(async { pool.acquire().await }).await
}

#[track]
async fn calls(pool: &Pool) -> Seen {
    direct(pool).await
}

#[track]
async fn calls_through_a_box(pool: &Pool) -> Seen {
    Box::pin(direct(pool)).await
}

#[track]
async fn calls_through_another(pool: &Pool) -> Seen {
    pass(direct(pool)).await
}

async fn pass<T>(future: impl Future<Output = T>) -> T {
    future.await
}

#[test]
fn an_acquire_is_awaited_directly_or_not() {
    assert!(run(direct(&Pool)).is_awaited_directly());
    assert!(run(in_a_block(&Pool)).is_awaited_directly());
    assert!(!run(polled_by_a_macro(&Pool)).is_awaited_directly());
}

#[test]
fn a_function_is_called_directly_or_not() {
    assert!(run(calls(&Pool)).is_called_directly());
    assert!(!run(calls_through_a_box(&Pool)).is_called_directly());
    assert!(!run(calls_through_another(&Pool)).is_called_directly());
}

#[test]
fn a_function_is_straight_or_not() {
    assert!(run(calls(&Pool)).is_straight());
    assert!(run(in_a_block(&Pool)).is_straight());
    assert!(!run(in_a_block_that_is_passed_on(&Pool)).is_straight());
    assert!(!run(polled_by_a_macro(&Pool)).is_straight());
}

#[test]
fn a_handle_stays_or_not() {
    assert!(run(keeps(&Pool)).0);
    assert!(!run(direct(&Pool)).site.stays());
}

#[test]
fn a_panic_is_located_at_the_users_word() {
    thread_local! {
        static AT: Cell<Option<(u32, u32)>> = const { Cell::new(None) };
    }
    let outer = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let here = panic.location().filter(|it| it.file() == file!());
        AT.set(here.map(|it| (it.line(), it.column())));
    }));
    let seen = run(direct(&Pool));
    let (function, _) = seen.functions[0];
    let site = catch_unwind(AssertUnwindSafe(|| {
        site::panic_at(Some(seen.site), None, "here")
    }));
    let site_at = AT.take();
    let named = catch_unwind(AssertUnwindSafe(|| {
        site::panic_at(None, Some(function), "here")
    }));
    let function_at = AT.take();
    std::panic::set_hook(outer);

    assert!(site.is_err() && named.is_err());
    let place = |place: Place| Some((place.line, place.column));
    assert_eq!(site_at, place(seen.site.place()));
    assert_eq!(function_at, place(function.place()));
}
