//! Where the running code is: the thread's stack of entered functions, and the call site whose future is being polled.
//!
//! A function is entered for each poll of its future and left afterwards. So the stack follows tasks across threads and
//! keeps the branches of a `join!` apart. Nothing is allocated for a scope before its first statement or handle.

use std::cell::{Cell, OnceCell, RefCell};
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::sync::Arc;

use super::inside::{Changes, Registered, Thread};
use super::{Awaited, Kind, Scope, counted};
use crate::site::{Site, TrackedFn};

thread_local! {
    /// Without a destructor, so the compiler reaches it without a check.
    static TOP: Top = const {
        Top {
            frame: Cell::new(None),
            scope: Cell::new(None),
            depth: Cell::new(0),
            current: Cell::new(None),
            round: Cell::new(None),
            thread: Cell::new(None),
        }
    };
    static REST: Rest = const {
        Rest {
            outer: RefCell::new(Vec::new()),
            registered: OnceCell::new(),
        }
    };
}

/// The innermost frame, and what it is polling.
struct Top {
    /// `None` outside of all functions.
    frame: Cell<Option<Frame>>,
    /// The scope of the frame. It cannot be left behind: the guard of the frame takes it.
    scope: Cell<Option<ManuallyDrop<Arc<Scope>>>>,
    /// The number of frames.
    depth: Cell<u32>,
    /// The call site whose future is being polled, or whose stream is being made.
    current: Cell<Option<Current>>,
    /// The `.await` in a loop that is being polled.
    round: Cell<Option<&'static Location<'static>>>,
    /// What the watchdog sees of the thread, once a function was entered.
    thread: Cell<Option<&'static Thread>>,
}

/// What most polls do not touch.
struct Rest {
    /// The frames around the innermost one, outermost first.
    outer: RefCell<Vec<Outer>>,
    registered: OnceCell<Registered>,
}

struct Outer {
    frame: Frame,
    /// Made at the first statement or handle.
    scope: Option<Arc<Scope>>,
}

impl Rest {
    fn thread(&self) -> &'static Thread {
        self.registered.get_or_init(Registered::new).thread()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        // Another thread may write there from now on.
        TOP.with(|top| top.thread.set(None));
    }
}

/// A call site whose future is being polled, or whose stream is being made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    site: &'static Site,
    /// Where its future is polled; `None` for a stream that is being made.
    awaited_at: Option<&'static Location<'static>>,
}

#[derive(Clone, Copy)]
struct Frame {
    function: &'static TrackedFn,
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

impl Top {
    #[inline]
    fn set_scope(&self, scope: Option<Arc<Scope>>) {
        self.scope.set(scope.map(ManuallyDrop::new));
    }

    #[inline]
    fn take_scope(&self) -> Option<Arc<Scope>> {
        self.scope.take().map(ManuallyDrop::into_inner)
    }

    /// The scope of the innermost frame, if that is made.
    #[inline]
    fn scope(&self) -> Option<Arc<Scope>> {
        let scope = self.take_scope()?;
        self.set_scope(Some(Arc::clone(&scope)));
        Some(scope)
    }

    /// The current scope. Makes the scope and those around it if they do not exist yet.
    #[inline(never)]
    fn make_scope(&self) -> Option<Arc<Scope>> {
        let frame = self.frame.get()?;
        if self.depth.get() > 1 || frame.kind == FrameKind::Stream {
            return self.all(|frames| make_scope(frames).cloned());
        }
        let scope = Scope::new(Kind::Function, frame.function, None, frame.awaited());
        self.set_scope(Some(Arc::clone(&scope)));
        Some(scope)
    }

    /// Runs `read` on all frames, outermost first.
    fn all<T>(&self, read: impl FnOnce(&mut [Outer]) -> Option<T>) -> Option<T> {
        let frame = self.frame.get()?;
        let read = REST.try_with(|rest| {
            let mut frames = rest.outer.borrow_mut();
            let scope = self.take_scope();
            frames.push(Outer { frame, scope });
            let read = read(&mut frames);
            self.set_scope(frames.pop().and_then(|innermost| innermost.scope));
            read
        });
        read.ok().flatten()
    }

    /// Enters a function.
    fn push(
        &self,
        function: &'static TrackedFn,
        kind: FrameKind,
        slot: &mut Option<Arc<Scope>>,
        polled_at: &'static Location<'static>,
    ) -> bool {
        let (Some(thread), Some(number)) = (self.thread.get(), function.known_number()) else {
            return self.push_onto_others(function, kind, slot, polled_at);
        };
        if self.depth.get() > 0 || kind == FrameKind::Carried {
            return self.push_onto_others(function, kind, slot, polled_at);
        }
        thread.enter_outermost(number);
        self.begin(0, function, kind, polled_at);
        self.set_scope(slot.take());
        true
    }

    /// Adds a frame inside of `depth` others.
    #[inline]
    fn begin(
        &self,
        depth: u32,
        function: &'static TrackedFn,
        kind: FrameKind,
        polled_at: &'static Location<'static>,
    ) {
        self.frame.set(Some(Frame {
            function,
            kind,
            polled_at,
            outer: self.current.take(),
            round: self.round.take(),
        }));
        self.depth.set(depth + 1);
    }

    /// Leaves the function, and returns its scope, if that was made.
    fn pop(&self) -> Option<Arc<Scope>> {
        if self.depth.get() > 1 {
            return self.pop_from_others();
        }
        self.end(0);
        self.frame.set(None);
        self.take_scope()
    }

    /// Ends a frame inside of `depth` others.
    #[inline]
    fn end(&self, depth: u32) {
        let frame = self.frame.get();
        let frame = frame.expect("BUG: each frame is removed by its own guard");
        self.current.set(frame.outer);
        self.round.set(frame.round);
        self.depth.set(depth);
        if let Some(thread) = self.thread.get() {
            thread.leave(depth);
        }
    }

    /// Enters a function inside of another one, or for the first time. Fails while the thread is torn down: nothing is
    /// tracked then.
    #[inline(never)]
    fn push_onto_others(
        &self,
        function: &'static TrackedFn,
        kind: FrameKind,
        slot: &mut Option<Arc<Scope>>,
        polled_at: &'static Location<'static>,
    ) -> bool {
        // The scope around what a test looks at is no function of the program.
        let is_of_test = kind == FrameKind::Carried
            && matches!(
                slot.as_deref(),
                Some(Scope {
                    kind: Kind::Test(_),
                    ..
                })
            );
        let pushed = REST.try_with(|rest| {
            let thread = rest.thread();
            self.thread.set(Some(thread));
            if let Some(frame) = self.frame.get() {
                let scope = self.take_scope();
                rest.outer.borrow_mut().push(Outer { frame, scope });
            }
            let depth = self.depth.get();
            thread.enter(depth, function, is_of_test);
            self.begin(depth, function, kind, polled_at);
            self.set_scope(slot.take());
        });
        pushed.is_ok()
    }

    /// Leaves a function inside of another one.
    #[inline(never)]
    fn pop_from_others(&self) -> Option<Arc<Scope>> {
        self.end(self.depth.get() - 1);
        let inner = self.take_scope();
        let outer = REST.try_with(|rest| rest.outer.borrow_mut().pop());
        let outer = outer.ok().flatten();
        self.frame.set(outer.as_ref().map(|outer| outer.frame));
        self.set_scope(outer.and_then(|outer| outer.scope));
        inner
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
#[inline]
pub(crate) fn enter<'slot>(
    function: &'static TrackedFn,
    kind: FrameKind,
    slot: &'slot mut Option<Arc<Scope>>,
    polled_at: &'static Location<'static>,
) -> Entered<'slot> {
    let on_stack = TOP.with(|top| top.push(function, kind, slot, polled_at));
    Entered { slot, on_stack }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        // The slot is empty meanwhile. Nothing is stored where no scope was made.
        if self.on_stack
            && let Some(scope) = TOP.with(Top::pop)
        {
            *self.slot = Some(scope);
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
        outer: TOP.with(|top| top.current.replace(current)),
    }
}

/// Puts the previous call site back when it is dropped, also during unwinding.
pub(crate) struct SiteGuard {
    outer: Option<Current>,
}

impl Drop for SiteGuard {
    fn drop(&mut self) {
        TOP.with(|top| top.current.set(self.outer));
    }
}

/// Makes `site` the current call site without a guard, until [`leave_site`] or the end of the enclosing poll.
pub(crate) fn enter_site(site: &'static Site) {
    let current = Current {
        site,
        awaited_at: None,
    };
    TOP.with(|top| top.current.set(Some(current)));
}

/// Makes the innermost function's site of this index the current call site without a guard, until [`leave_site`] or the
/// end of the function's poll.
#[inline]
pub(crate) fn await_site(index: usize, awaited_at: &'static Location<'static>) {
    // There is none while the thread is torn down, or that of another function.
    let site = function().and_then(|function| function.find_site(index));
    if let Some(site) = site {
        go_on(Current {
            site,
            awaited_at: Some(awaited_at),
        });
    }
}

/// The call site at which the innermost function is.
#[inline]
pub(crate) fn current() -> Option<Current> {
    TOP.with(|top| top.current.get())
}

/// The innermost function goes on at a call site, at which it was when its last poll ended.
#[inline]
pub(crate) fn go_on(current: Current) {
    TOP.with(|top| top.current.set(Some(current)));
}

/// Ends what [`enter_site`] or [`await_site`] began.
#[inline]
pub(crate) fn leave_site() {
    TOP.with(|top| top.current.set(None));
}

/// Makes `round` the `.await` in a loop that is being polled, until the guard is dropped.
pub(crate) fn set_round(round: &'static Location<'static>) -> RoundGuard {
    RoundGuard {
        outer: TOP.with(|top| top.round.replace(Some(round))),
    }
}

/// Puts the previous one back when it is dropped, also during unwinding.
pub(crate) struct RoundGuard {
    outer: Option<&'static Location<'static>>,
}

impl Drop for RoundGuard {
    fn drop(&mut self) {
        TOP.with(|top| top.round.set(self.outer));
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

/// The innermost tracked function.
#[inline]
pub(crate) fn function() -> Option<&'static TrackedFn> {
    TOP.with(|top| top.frame.get()).map(|frame| frame.function)
}

/// A moment in the run of this thread: the function that it is in, and the functions that it has called from there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    depth: u32,
    /// Of the functions called from there.
    calls: Changes,
    /// Of the function itself; `None` outside of all functions.
    own: Option<Changes>,
}

impl Moment {
    /// `None` if the thread is in more functions than it records.
    pub(crate) fn now() -> Option<Self> {
        Self::at(depth())
    }

    fn at(depth: u32) -> Option<Self> {
        Some(Self {
            depth,
            calls: changes(depth)?,
            own: depth.checked_sub(1).and_then(changes),
        })
    }

    /// Whether the thread is in the same poll, and has called one function since at most, in which it still is.
    pub(crate) fn is_in_this_poll(self) -> bool {
        let deeper = depth().checked_sub(self.depth);
        let (Some(deeper), Some(now)) = (deeper, Self::at(self.depth)) else {
            return false;
        };
        let calls = match deeper {
            0 => self.calls,
            _ => self.calls.and_one_more(),
        };
        now.own == self.own && now.calls == calls
    }

    /// The scope of the outermost function that the thread has entered since.
    pub(crate) fn scope_since(self) -> Option<Arc<Scope>> {
        TOP.with(|top| {
            top.all(|frames| {
                make_scope(frames)?;
                let since = frames.get(self.depth as usize..)?;
                since.iter().find_map(|frame| frame.scope.clone())
            })
        })
    }
}

/// How often the functions of this thread at this depth have changed; `None` beyond the depth that is recorded.
fn changes(depth: u32) -> Option<Changes> {
    REST.try_with(Rest::thread).ok()?.changes(depth)
}

/// The number of tracked functions that are being polled.
fn depth() -> u32 {
    TOP.with(|top| top.depth.get())
}

/// Whether one of the functions that are being polled is given a value to itself of a part of this type.
pub(crate) fn takes_part_of(value: &str) -> bool {
    let takes = |outer: &Outer| outer.frame.function.takes_part_of(value);
    TOP.with(|top| top.all(|frames| frames.iter().any(takes).then_some(())))
        .is_some()
}

/// How often this thread has called a function from the one that it is in; `None` if it is in more than it records.
pub(crate) fn calls() -> Option<Changes> {
    Moment::now().map(|now| now.calls)
}

/// The innermost scope that exists already.
#[inline]
pub(crate) fn made_scope() -> Option<Arc<Scope>> {
    TOP.with(|top| {
        top.scope().or_else(|| match top.depth.get() {
            0 | 1 => None,
            _ => top.all(|frames| frames.iter().rev().find_map(|frame| frame.scope.clone())),
        })
    })
}

/// The current scope. Makes the scope and those around it if they do not exist yet.
#[inline]
pub(crate) fn scope() -> Option<Arc<Scope>> {
    // The frame of a stream has no scope.
    TOP.with(|top| top.scope().or_else(|| top.make_scope()))
}

/// The scope of the innermost frame that is no stream's. Makes it if it does not exist yet.
fn make_scope(frames: &mut [Outer]) -> Option<&Arc<Scope>> {
    let innermost = frames
        .iter()
        .rposition(|outer| outer.frame.kind != FrameKind::Stream)?;
    if frames[innermost].scope.is_none() {
        // Scopes are made from the outside in. That of a carried frame exists already.
        let made = frames[..innermost]
            .iter()
            .rposition(|frame| frame.scope.is_some());
        let mut parent = made.and_then(|index| frames[index].scope.clone());
        for outer in &mut frames[made.map_or(0, |index| index + 1)..=innermost] {
            let frame = outer.frame;
            if frame.kind != FrameKind::Stream {
                let scope = Scope::new(Kind::Function, frame.function, parent, frame.awaited());
                parent = Some(Arc::clone(&scope));
                outer.scope = Some(scope);
            }
        }
    }
    frames[innermost].scope.as_ref()
}

/// Runs `call` outside of all scopes. Statements and handles of foreign code do not belong to the running function.
pub(crate) fn outside<T>(call: impl FnOnce() -> T) -> T {
    let _counted = counted::nothing();
    let _inside = TOP.with(Inside::leave);
    call()
}

/// The frames of the thread while it is outside of all scopes. Dropping this puts them back.
struct Inside {
    frame: Option<Frame>,
    scope: Option<Arc<Scope>>,
    depth: u32,
    current: Option<Current>,
    round: Option<&'static Location<'static>>,
    outer: Vec<Outer>,
}

impl Inside {
    #[inline]
    fn leave(top: &Top) -> Self {
        let depth = top.depth.take();
        Self {
            frame: top.frame.take(),
            scope: top.take_scope(),
            depth,
            current: top.current.take(),
            round: top.round.take(),
            outer: match depth {
                0 | 1 => Vec::new(),
                _ => REST.try_with(|rest| rest.outer.take()).unwrap_or_default(),
            },
        }
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        TOP.with(|top| {
            top.frame.set(self.frame);
            top.set_scope(self.scope.take());
            top.depth.set(self.depth);
            top.current.set(self.current);
            top.round.set(self.round);
        });
        if self.depth > 1 {
            let outer = std::mem::take(&mut self.outer);
            let _ = REST.try_with(|rest| rest.outer.replace(outer));
        }
    }
}

/// What the watchdog sees of this thread.
#[cfg(test)]
pub(super) fn polled() -> super::inside::Poll {
    REST.with(Rest::thread).poll()
}
