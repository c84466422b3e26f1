//! Where the running code is: the thread's stack of entered scopes, and the call site whose future is being polled.
//!
//! A scope is entered for each poll of its future and left after it, so the stack follows tasks across threads and
//! keeps the branches of a `join!` apart. Nothing is allocated for a scope before its first statement or handle.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::Arc;

use super::{Kind, Scope, counted};
use crate::site::{Site, TrackedFn};

thread_local! {
    static CONTEXT: Context = const {
        Context { frames: RefCell::new(Vec::new()), current: Cell::new(None) }
    };
}

struct Context {
    frames: RefCell<Vec<Frame>>,
    /// The call site of the innermost frame whose future is being polled, or whose stream is being made.
    current: Cell<Option<Current>>,
}

#[derive(Clone, Copy)]
struct Current {
    site: &'static Site,
    /// Where its future is polled; `None` for a stream that is being made.
    awaited_at: Option<&'static Location<'static>>,
}

struct Frame {
    function: &'static TrackedFn,
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

/// Enters a function for one poll, or for the drop of its future, with the scope that it has made so far.
pub(crate) fn enter<'slot>(
    function: &'static TrackedFn,
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
pub(crate) fn function() -> Option<&'static TrackedFn> {
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
                let scope = Scope::new(Kind::Function, frame.function, parent, frame.polled_at);
                parent = Some(Arc::clone(&scope));
                frame.scope = Some(scope);
            }
        }
    }
    frames[innermost].scope.as_ref()
}

/// Runs code that is not the running function's, outside of all scopes: what it sends and takes is its own doing.
pub(crate) fn outside<T>(call: impl FnOnce() -> T) -> T {
    struct Inside {
        frames: Vec<Frame>,
        current: Option<Current>,
    }
    impl Drop for Inside {
        fn drop(&mut self) {
            let _ = CONTEXT.try_with(|context| {
                context.frames.replace(std::mem::take(&mut self.frames));
                context.current.set(self.current);
            });
        }
    }
    let _counted = counted::nothing();
    let _inside = CONTEXT.try_with(|context| Inside {
        frames: context.frames.take(),
        current: context.current.take(),
    });
    call()
}
