//! Where the running code is: the thread's stack of entered scopes, and the call site whose future is being polled.
//!
//! A scope is entered for each poll of its future and left after it, so the stack follows tasks across threads and
//! keeps the branches of a `join!` apart. Nothing is allocated for a scope before its first statement or handle.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::Arc;

use crate::scope::Scope;
use crate::site::{Function, Place, Site};

thread_local! {
    static CONTEXT: Context = const {
        Context { frames: RefCell::new(Vec::new()), current: Cell::new(None), tap: Cell::new(Tap::None), counted: Cell::new(false) }
    };
}

struct Context {
    frames: RefCell<Vec<Frame>>,
    /// The call site of the innermost frame whose future is being polled, or whose stream is being made.
    current: Cell<Option<Current>>,
    tap: Cell<Tap>,
    /// Whether the statement that runs now is counted further out.
    counted: Cell<bool>,
}

#[derive(Clone, Copy)]
struct Current {
    site: &'static Site,
    /// Where its future is polled; `None` for a stream that is being made.
    awaited_at: Option<&'static Location<'static>>,
}

/// Whether a wrapped executor turns out to count its statements itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tap {
    None,
    Asking,
    Answered,
}

struct Frame {
    function: &'static Function,
    /// Made at the first statement or handle.
    scope: Option<Arc<Scope>>,
    kind: FrameKind,
    /// Where the function's future is polled: the `.await` in the user's code, or a place in the code of whoever
    /// stands between.
    polled_at: &'static Location<'static>,
    /// The call site in force outside this frame.
    outer: Option<Current>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A scope of its own.
    Scope,
    /// A branch of the scope that was carried here: what is below on the stack is somebody else's.
    Carried,
    /// A tracked stream: it lends its function's name, but what it takes belongs to whoever reads it.
    Stream,
}

/// A frame on the thread's stack; dropping it takes the frame off and puts the scope back into its slot.
pub(crate) struct Entered<'slot> {
    slot: &'slot mut Option<Arc<Scope>>,
    on_stack: bool,
}

/// Enters a function for one poll, with the scope it has made so far.
pub(crate) fn enter<'slot>(
    function: &'static Function,
    kind: FrameKind,
    slot: &'slot mut Option<Arc<Scope>>,
    polled_at: &'static Location<'static>,
) -> Entered<'slot> {
    // While a thread is torn down there is nothing to follow any more.
    let on_stack = CONTEXT
        .try_with(|context| {
            let frame = Frame {
                function,
                scope: slot.take(),
                kind,
                polled_at,
                outer: context.current.replace(None),
            };
            context.frames.borrow_mut().push(frame);
        })
        .is_ok();
    Entered { slot, on_stack }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.on_stack {
            let frame = CONTEXT.with(|context| {
                let frame = context
                    .frames
                    .borrow_mut()
                    .pop()
                    .expect("BUG: a frame is popped by whoever pushed it");
                context.current.set(frame.outer);
                frame
            });
            *self.slot = frame.scope;
        }
    }
}

/// Enters a function for the drop of what its scope holds; [`pop_after_drop`] leaves it.
pub(crate) fn push_for_drop(function: &'static Function, kind: FrameKind, scope: Arc<Scope>) {
    let _ = CONTEXT.try_with(|context| {
        let frame = Frame {
            function,
            polled_at: scope.polled_at(),
            scope: Some(scope),
            kind,
            outer: context.current.replace(None),
        };
        context.frames.borrow_mut().push(frame);
    });
}

/// Ends what [`push_for_drop`] began.
pub(crate) fn pop_after_drop() {
    let frame = CONTEXT.try_with(|context| {
        let frame = context.frames.borrow_mut().pop();
        context
            .current
            .set(frame.as_ref().and_then(|frame| frame.outer));
        frame
    });
    drop(frame);
}

/// Makes `site` the current call site until the guard is dropped. `awaited_at` is where its future is polled, if it is.
pub(crate) fn set_site(
    site: Option<&'static Site>,
    awaited_at: Option<&'static Location<'static>>,
) -> SiteGuard {
    let current = site.map(|site| Current { site, awaited_at });
    SiteGuard {
        outer: CONTEXT
            .try_with(|context| context.current.replace(current))
            .ok()
            .flatten(),
    }
}

/// Puts the previous call site back, also when unwinding.
pub(crate) struct SiteGuard {
    outer: Option<Current>,
}

impl Drop for SiteGuard {
    fn drop(&mut self) {
        let _ = CONTEXT.try_with(|context| context.current.set(self.outer));
    }
}

/// Sets the call site with no guard: [`leave_site`] ends it, at the latest the end of the enclosing poll does.
pub(crate) fn enter_site(site: &'static Site) {
    let current = Current {
        site,
        awaited_at: None,
    };
    let _ = CONTEXT.try_with(|context| context.current.set(Some(current)));
}

/// Ends what [`enter_site`] began.
pub(crate) fn leave_site() {
    let _ = CONTEXT.try_with(|context| context.current.set(None));
}

/// The current call site.
pub(crate) fn site() -> Option<&'static Site> {
    current().map(|current| current.site)
}

/// Where the future of the current call site is polled: at its `.await`, or in the code of whoever stands between.
pub(crate) fn awaited_at() -> Option<&'static Location<'static>> {
    current()?.awaited_at
}

fn current() -> Option<Current> {
    CONTEXT
        .try_with(|context| context.current.get())
        .ok()
        .flatten()
}

/// The innermost tracked function.
pub(crate) fn function() -> Option<&'static Function> {
    CONTEXT
        .try_with(|context| context.frames.borrow().last().map(|frame| frame.function))
        .ok()
        .flatten()
}

/// The current scope. Makes it, and those around it, if they were not made yet.
pub(crate) fn scope() -> Option<Arc<Scope>> {
    CONTEXT
        .try_with(|context| make_scope(&mut context.frames.borrow_mut()).cloned())
        .ok()
        .flatten()
}

/// The innermost scope that is no stream's, made if need be.
fn make_scope(frames: &mut [Frame]) -> Option<&Arc<Scope>> {
    let innermost = frames
        .iter()
        .rposition(|frame| frame.kind != FrameKind::Stream)?;
    if frames[innermost].scope.is_none() {
        // Scopes are made from the outside in; a carried one comes made.
        let made = frames[..innermost]
            .iter()
            .rposition(|frame| frame.scope.is_some());
        let mut parent = made.and_then(|index| frames[index].scope.clone());
        for frame in &mut frames[made.map_or(0, |index| index + 1)..=innermost] {
            if frame.kind != FrameKind::Stream {
                let scope = Scope::polled(frame.function, parent, frame.polled_at);
                parent = Some(Arc::clone(&scope));
                frame.scope = Some(scope);
            }
        }
    }
    frames[innermost].scope.as_ref()
}

/// Runs `call` on an executor that may or may not count its statements itself, and tells which.
pub(crate) fn ask_whether_counted<T>(call: impl FnOnce() -> T) -> (T, bool) {
    struct Restore(Tap);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = CONTEXT.try_with(|context| context.tap.set(self.0));
        }
    }
    let restore = Restore(
        CONTEXT
            .try_with(|context| context.tap.replace(Tap::Asking))
            .unwrap_or(Tap::None),
    );
    let value = call();
    let counted = CONTEXT
        .try_with(|context| context.tap.get() == Tap::Answered)
        .unwrap_or(false);
    drop(restore);
    (value, counted)
}

/// Said by a tracked executor when it is called: it counts.
pub(crate) fn answer_that_it_counts() {
    let _ = CONTEXT.try_with(|context| {
        if context.tap.get() == Tap::Asking {
            context.tap.set(Tap::Answered);
        }
    });
}

/// While the guard lives, statements on this thread are counted already.
pub(crate) fn mark_counted() -> CountedGuard {
    CountedGuard {
        outer: CONTEXT
            .try_with(|context| context.counted.replace(true))
            .unwrap_or(false),
    }
}

/// Ends what [`mark_counted`] began.
pub(crate) struct CountedGuard {
    outer: bool,
}

impl Drop for CountedGuard {
    fn drop(&mut self) {
        let _ = CONTEXT.try_with(|context| context.counted.set(self.outer));
    }
}

/// Whether the statement that runs now is counted further out.
pub(crate) fn is_counted() -> bool {
    CONTEXT
        .try_with(|context| context.counted.get())
        .unwrap_or(false)
}

/// Runs code that is not the running function's, outside of all scopes: what it sends and takes is its own doing.
pub(crate) fn outside<T>(call: impl FnOnce() -> T) -> T {
    struct Inside {
        frames: Vec<Frame>,
        current: Option<Current>,
        tap: Tap,
        counted: bool,
    }
    impl Drop for Inside {
        fn drop(&mut self) {
            let _ = CONTEXT.try_with(|context| {
                context.frames.replace(std::mem::take(&mut self.frames));
                context.current.set(self.current);
                context.tap.set(self.tap);
                context.counted.set(self.counted);
            });
        }
    }
    let _inside = CONTEXT.try_with(|context| Inside {
        frames: context.frames.take(),
        current: context.current.take(),
        tap: context.tap.replace(Tap::None),
        counted: context.counted.take(),
    });
    call()
}

/// Where a caller is, or the function it is in where the caller is sqlx itself.
pub(crate) fn caller(location: &'static Location<'static>) -> Place {
    caller_in(location, function())
}

fn caller_in(location: &'static Location<'static>, function: Option<&'static Function>) -> Place {
    let in_sqlx = location.file().contains("sqlx-core");
    match function {
        Some(function) if in_sqlx => function.place(),
        None if in_sqlx => Place::UNKNOWN,
        _ => Place::at(location, function),
    }
}

/// What is known at a call of where its handle will be asked for.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// At this call site, which is known at the call already.
    Site(&'static Site),
    /// At the call site that is polled then, else where it was called, in that function.
    Call(&'static Location<'static>, Option<&'static Function>),
    /// At the call site that is polled then, else there.
    UnlessPolled(Place),
}

impl Origin {
    /// Asked when the wait begins: the place, and its site where the attribute knows it.
    pub(crate) fn resolve(self) -> (Place, Option<&'static Site>) {
        let known = match self {
            Origin::Site(site) => Some(site),
            Origin::Call(..) | Origin::UnlessPolled(_) => site(),
        };
        let place = match (known, self) {
            (Some(site), _) | (None, Origin::Site(site)) => site.place(),
            (None, Origin::Call(location, function)) => caller_in(location, function),
            (None, Origin::UnlessPolled(place)) => place,
        };
        (place, known)
    }

    /// The caller of a method that takes a handle.
    pub(crate) fn caller(location: &'static Location<'static>) -> Self {
        Origin::Call(location, function())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Poll, Waker};

    use futures_util::FutureExt;
    use futures_util::future::join;

    use super::*;
    use crate::tracked;

    static FUNCTION: Function = Function::written(
        (),
        |_, _| unreachable!("nothing is at deny"),
        file!(),
        [line!(), 1],
        [1, 1, 1, 1],
        false,
        &[([line!(), 1], false, None)],
    );

    type At = Option<&'static Location<'static>>;

    /// Runs what never waits.
    fn run<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut std::task::Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => unreachable!("nothing to wait for"),
        }
    }

    /// An acquire that tells where it is awaited.
    fn acquire() -> impl Future<Output = At> {
        tracked::at(&FUNCTION, 0, async { awaited_at() })
    }

    /// A tracked function that tells where it is awaited.
    fn find() -> impl Future<Output = At> {
        let body = async { scope().map(|scope| scope.polled_at()) };
        tracked::scope(&FUNCTION, body, |_, _| {})
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
    fn a_direct_await_is_seen_where_it_stands() {
        run(async {
            is_here(acquire().await);
            is_here(find().await);
            is_here((find()).await);
            let later = find();
            is_here(later.await);
        });
    }

    #[test]
    fn what_polls_from_elsewhere_is_seen_there() {
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
    fn a_wrapper_in_between_is_seen_in_its_own_place() {
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
            let inside = tracked::scope(&FUNCTION, async { awaited_at() }, |_, _| {});
            assert_eq!(tracked::at(&FUNCTION, 0, inside).await, None);
            tracked::enter(&FUNCTION, 0, ());
            assert!(
                site().is_some() && awaited_at().is_none(),
                "a stream is made, not awaited"
            );
            tracked::leave(());
        });
    }
}
