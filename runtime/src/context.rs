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
        Context { frames: RefCell::new(Vec::new()), site: Cell::new(None), tap: Cell::new(Tap::None), counted: Cell::new(false) }
    };
}

struct Context {
    frames: RefCell<Vec<Frame>>,
    /// The call site of the innermost frame whose future is being polled, or whose stream is being made.
    site: Cell<Option<&'static Site>>,
    tap: Cell<Tap>,
    /// Whether the statement that runs now is counted further out.
    counted: Cell<bool>,
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
    /// The call site in force outside this frame.
    outer_site: Option<&'static Site>,
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
) -> Entered<'slot> {
    // While a thread is torn down there is nothing to follow any more.
    let on_stack = CONTEXT
        .try_with(|context| {
            let frame = Frame {
                function,
                scope: slot.take(),
                kind,
                outer_site: context.site.replace(None),
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
                context.site.set(frame.outer_site);
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
            scope: Some(scope),
            kind,
            outer_site: context.site.replace(None),
        };
        context.frames.borrow_mut().push(frame);
    });
}

/// Ends what [`push_for_drop`] began.
pub(crate) fn pop_after_drop() {
    let frame = CONTEXT.try_with(|context| {
        let frame = context.frames.borrow_mut().pop();
        context
            .site
            .set(frame.as_ref().and_then(|frame| frame.outer_site));
        frame
    });
    drop(frame);
}

/// Makes `site` the current call site until the guard is dropped.
pub(crate) fn set_site(site: Option<&'static Site>) -> SiteGuard {
    SiteGuard {
        outer: CONTEXT
            .try_with(|context| context.site.replace(site))
            .ok()
            .flatten(),
    }
}

/// Puts the previous call site back, also when unwinding.
pub(crate) struct SiteGuard {
    outer: Option<&'static Site>,
}

impl Drop for SiteGuard {
    fn drop(&mut self) {
        let _ = CONTEXT.try_with(|context| context.site.set(self.outer));
    }
}

/// Sets the call site with no guard: [`leave_site`] ends it, at the latest the end of the enclosing poll does.
pub(crate) fn enter_site(site: &'static Site) {
    let _ = CONTEXT.try_with(|context| context.site.set(Some(site)));
}

/// Ends what [`enter_site`] began.
pub(crate) fn leave_site() {
    let _ = CONTEXT.try_with(|context| context.site.set(None));
}

/// The current call site.
pub(crate) fn site() -> Option<&'static Site> {
    CONTEXT
        .try_with(|context| context.site.get())
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
                let scope = Scope::new(frame.function, parent);
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

/// Where a caller is, or the function it is in where the caller is sqlx itself.
pub(crate) fn caller(location: &'static Location<'static>) -> Place {
    let function = function();
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
    /// There.
    Exact(Place),
    /// At the call site that is polled then, else there.
    UnlessPolled(Place),
}

impl Origin {
    /// Asked when the wait begins.
    pub(crate) fn place(self) -> Place {
        match self {
            Origin::Exact(place) => place,
            Origin::UnlessPolled(place) => site().map_or(place, Site::place),
        }
    }

    /// The caller of a method that takes a handle.
    pub(crate) fn caller(location: &'static Location<'static>) -> Self {
        Origin::UnlessPolled(caller(location))
    }
}
