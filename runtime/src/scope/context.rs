//! Where the running code is: the thread's stack of entered functions, and the call site whose future is being polled.
//!
//! A function is entered for each poll of its future and left afterwards. So the stack follows tasks across threads and
//! keeps the branches of a `join!` apart. Nothing is allocated for a scope before its first statement or handle.

use std::cell::{Cell, OnceCell, RefCell};
use std::panic::Location;
use std::sync::Arc;

use super::inside::{Changes, Registered};
use super::{Awaited, Kind, Scope, counted};
use crate::site::{Site, TrackedFn};

thread_local! {
    static CONTEXT: Context = const {
        Context {
            frames: RefCell::new(Vec::new()),
            current: Cell::new(None),
            round: Cell::new(None),
            thread: OnceCell::new(),
        }
    };
}

struct Context {
    frames: RefCell<Vec<Frame>>,
    /// The call site of the innermost frame whose future is being polled, or whose stream is being made.
    current: Cell<Option<Current>>,
    /// The `.await` in a loop of the innermost frame that is being polled.
    round: Cell<Option<&'static Location<'static>>>,
    /// What the watchdog sees of the thread.
    thread: OnceCell<Registered>,
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
    /// Where the function's future is polled: the `.await` in the user's code, or a place in the code of a combinator.
    polled_at: &'static Location<'static>,
    /// The call site in force outside this frame.
    outer: Option<Current>,
    /// The `.await` in a loop outside this frame in which the function is polled, through whatever is in between.
    round: Option<&'static Location<'static>>,
}

impl Frame {
    fn awaited(&self) -> Awaited {
        Awaited {
            polled_at: self.polled_at,
            at: self.round.or_else(|| self.outer?.awaited_at),
        }
    }
}

/// How a function was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// As a scope.
    Scope,
    /// As a branch of a scope that was carried into this task. The frames below it on the stack are unrelated.
    Carried,
    /// As a tracked stream. It names its function, but has no scope: its handles belong to the scope that reads it.
    Stream,
}

/// A frame on the thread's stack. Dropping it removes the frame and puts the scope back into its slot.
pub(crate) struct Entered<'slot> {
    slot: &'slot mut Option<Arc<Scope>>,
    on_stack: bool,
}

/// Enters a function for one poll, or for the drop of its future. `slot` has its scope, if that was made before.
pub(crate) fn enter<'slot>(
    function: &'static TrackedFn,
    kind: FrameKind,
    slot: &'slot mut Option<Arc<Scope>>,
    polled_at: &'static Location<'static>,
) -> Entered<'slot> {
    // The scope around what a test looks at is no function of the program.
    let is_of_test = kind == FrameKind::Carried
        && matches!(
            slot.as_deref(),
            Some(Scope {
                kind: Kind::Test(_),
                ..
            })
        );
    // Fails while the thread is torn down. Nothing is tracked then.
    let on_stack = CONTEXT
        .try_with(|context| {
            let frame = Frame {
                function,
                scope: slot.take(),
                kind,
                polled_at,
                outer: context.current.replace(None),
                round: context.round.take(),
            };
            let mut frames = context.frames.borrow_mut();
            let thread = context.thread.get_or_init(Registered::new);
            thread.enter(frames.len(), function, is_of_test);
            frames.push(frame);
        })
        .is_ok();
    Entered { slot, on_stack }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.on_stack {
            let frame = CONTEXT.with(|context| {
                let mut frames = context.frames.borrow_mut();
                let frame = frames
                    .pop()
                    .expect("BUG: each frame is popped by its own guard");
                if let Some(thread) = context.thread.get() {
                    thread.leave(frames.len());
                }
                context.current.set(frame.outer);
                context.round.set(frame.round);
                frame
            });
            *self.slot = frame.scope;
        }
    }
}

/// Makes `site` the current call site until the guard is dropped.
///
/// `awaited_at` is where its future is polled; `None` if it is not being polled.
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

/// Puts the previous call site back when it is dropped, also during unwinding.
pub(crate) struct SiteGuard {
    outer: Option<Current>,
}

impl Drop for SiteGuard {
    fn drop(&mut self) {
        let _ = CONTEXT.try_with(|context| context.current.set(self.outer));
    }
}

/// Makes `site` the current call site without a guard, until [`leave_site`] or the end of the enclosing poll.
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

/// Makes `round` the `.await` in a loop that is being polled, until the guard is dropped.
pub(crate) fn set_round(round: &'static Location<'static>) -> RoundGuard {
    let outer = CONTEXT.try_with(|context| context.round.replace(Some(round)));
    RoundGuard {
        outer: outer.ok().flatten(),
    }
}

/// Puts the previous one back when it is dropped, also during unwinding.
pub(crate) struct RoundGuard {
    outer: Option<&'static Location<'static>>,
}

impl Drop for RoundGuard {
    fn drop(&mut self) {
        let _ = CONTEXT.try_with(|context| context.round.set(self.outer));
    }
}

/// The current call site.
#[inline]
pub(crate) fn site() -> Option<&'static Site> {
    current().map(|current| current.site)
}

/// Where the future of the current call site is polled: its `.await`, or a place in the code of a combinator.
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
#[inline]
pub(crate) fn function() -> Option<&'static TrackedFn> {
    CONTEXT
        .try_with(|context| context.frames.borrow().last().map(|frame| frame.function))
        .ok()
        .flatten()
}

/// A moment in the run of this thread: the function that it is in, and the functions that it has called from there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    depth: usize,
    /// Of the functions called from there.
    calls: Changes,
    /// Of the function itself; `None` outside of all functions.
    own: Option<Changes>,
}

impl Moment {
    /// `None` if the thread is in more functions than it records.
    pub(crate) fn now() -> Option<Self> {
        let now = |context: &Context| Self::at(context, context.frames.borrow().len());
        CONTEXT.try_with(now).ok().flatten()
    }

    fn at(context: &Context, depth: usize) -> Option<Self> {
        let thread = context.thread.get_or_init(Registered::new);
        Some(Self {
            depth,
            calls: thread.changes(depth)?,
            own: depth.checked_sub(1).and_then(|own| thread.changes(own)),
        })
    }

    /// Whether the thread is in the same poll, and has called one function since at most, in which it still is.
    pub(crate) fn is_in_this_poll(self) -> bool {
        let same = |context: &Context| {
            let deeper = context.frames.borrow().len().checked_sub(self.depth)?;
            let now = Self::at(context, self.depth)?;
            let calls = match deeper {
                0 => self.calls,
                _ => self.calls.and_one_more(),
            };
            Some(now.own == self.own && now.calls == calls)
        };
        CONTEXT.try_with(same).ok().flatten() == Some(true)
    }

    /// The scope of the outermost function that the thread has entered since.
    pub(crate) fn scope_since(self) -> Option<Arc<Scope>> {
        CONTEXT
            .try_with(|context| {
                let frames = &mut context.frames.borrow_mut();
                make_scope(frames)?;
                let since = frames.get(self.depth..)?;
                since.iter().find_map(|frame| frame.scope.clone())
            })
            .ok()
            .flatten()
    }
}

/// Whether one of the functions that are being polled is given a value to itself of a part of this type.
pub(crate) fn takes_part_of(value: &str) -> bool {
    let takes = |context: &Context| {
        let frames = context.frames.borrow();
        frames
            .iter()
            .any(|frame| frame.function.takes_part_of(value))
    };
    CONTEXT.try_with(takes).unwrap_or(false)
}

/// How often this thread has called a function from the one that it is in; `None` if it is in more than it records.
pub(crate) fn calls() -> Option<Changes> {
    Moment::now().map(|now| now.calls)
}

/// The innermost scope that exists already.
#[inline]
pub(crate) fn made_scope() -> Option<Arc<Scope>> {
    CONTEXT
        .try_with(|context| {
            let frames = context.frames.borrow();
            frames.iter().rev().find_map(|frame| frame.scope.clone())
        })
        .ok()
        .flatten()
}

/// The current scope. Makes the scope and those around it if they do not exist yet.
#[inline]
pub(crate) fn scope() -> Option<Arc<Scope>> {
    CONTEXT
        .try_with(|context| make_scope(&mut context.frames.borrow_mut()).cloned())
        .ok()
        .flatten()
}

/// The scope of the innermost frame that is no stream's. Makes it if it does not exist yet.
fn make_scope(frames: &mut [Frame]) -> Option<&Arc<Scope>> {
    let innermost = frames
        .iter()
        .rposition(|frame| frame.kind != FrameKind::Stream)?;
    if frames[innermost].scope.is_none() {
        // Scopes are made from the outside in. That of a carried frame exists already.
        let made = frames[..innermost]
            .iter()
            .rposition(|frame| frame.scope.is_some());
        let mut parent = made.and_then(|index| frames[index].scope.clone());
        for frame in &mut frames[made.map_or(0, |index| index + 1)..=innermost] {
            if frame.kind != FrameKind::Stream {
                let scope = Scope::new(Kind::Function, frame.function, parent, frame.awaited());
                parent = Some(Arc::clone(&scope));
                frame.scope = Some(scope);
            }
        }
    }
    frames[innermost].scope.as_ref()
}

/// What the watchdog sees of this thread.
#[cfg(test)]
pub(super) fn polled() -> super::inside::Poll {
    CONTEXT.with(|context| context.thread.get_or_init(Registered::new).poll())
}

/// Runs `call` outside of all scopes. Statements and handles of foreign code do not belong to the running function.
pub(crate) fn outside<T>(call: impl FnOnce() -> T) -> T {
    struct Inside {
        frames: Vec<Frame>,
        current: Option<Current>,
        round: Option<&'static Location<'static>>,
    }
    impl Drop for Inside {
        fn drop(&mut self) {
            let _ = CONTEXT.try_with(|context| {
                context.frames.replace(std::mem::take(&mut self.frames));
                context.current.set(self.current);
                context.round.set(self.round);
            });
        }
    }
    let _counted = counted::nothing();
    let _inside = CONTEXT.try_with(|context| Inside {
        frames: context.frames.take(),
        current: context.current.take(),
        round: context.round.take(),
    });
    call()
}
