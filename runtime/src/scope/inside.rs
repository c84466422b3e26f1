//! Which tracked function each thread is in.
//!
//! The thread itself writes that down at each poll, without a lock and without reading the clock. The watchdog reads it: a
//! poll that two of its looks find unchanged has lasted for the time between them. The counts in it go on where another
//! thread takes over what one that has ended has left, so no two polls look the same.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::site::TrackedFn;
use crate::sync;

/// The threads that have polled a tracked function and have not ended.
static THREADS: Mutex<Vec<&'static Thread>> = Mutex::new(Vec::new());
/// What threads that have ended have left for new ones.
static LEFT: Mutex<Vec<&'static Thread>> = Mutex::new(Vec::new());
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A thread records this many functions, each called by the one before. Those further in count as the last of these.
const LEVELS: usize = 12;

/// Which functions a thread is in. Only that thread writes.
#[derive(Debug)]
pub(crate) struct Thread {
    /// Another one for each thread that writes here, one after the other.
    id: AtomicU64,
    /// The outermost function first.
    levels: [AtomicU64; LEVELS],
}

/// What a thread was doing at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poll([u64; LEVELS]);

/// How often a function was entered or left at one depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changes(u64);

impl Changes {
    /// The number after one more.
    pub(super) fn and_one_more(self) -> Self {
        Self((self.0 + 1) & COUNT)
    }
}

/// The poll of a function: its number, and how often its level has changed.
///
/// The upper half has the number, 0 between two polls; the lower half has the count.
const COUNT: u64 = (1 << 32) - 1;
/// The bit of a function that is no part of the program.
const HIDDEN: u64 = 1 << 63;

fn set(word: &AtomicU64, function: u64) {
    let count = word.load(Relaxed).wrapping_add(1) & COUNT;
    // Relaxed: the words are only compared with what they were, and publish no other memory.
    word.store(function << 32 | count, Relaxed);
}

impl Thread {
    /// A function is entered, inside of `depth` others. A `hidden` one is not to blame for what is inside of it.
    pub(super) fn enter(&self, depth: u32, function: &'static TrackedFn, hidden: bool) {
        if let Some(level) = self.levels.get(depth as usize) {
            let hidden = if hidden { HIDDEN >> 32 } else { 0 };
            set(level, u64::from(function.number()) | hidden);
        }
    }

    /// The function of that number is entered, inside of no other.
    #[inline]
    pub(super) fn enter_outermost(&self, number: u32) {
        set(&self.levels[0], u64::from(number));
    }

    /// A function is left that was inside of `depth` others.
    #[inline]
    pub(super) fn leave(&self, depth: u32) {
        if let Some(level) = self.levels.get(depth as usize) {
            set(level, 0);
        }
    }

    /// How often the functions at this depth have changed; `None` beyond the depth that is recorded.
    pub(super) fn changes(&self, depth: u32) -> Option<Changes> {
        let level = self.levels.get(depth as usize)?;
        Some(Changes(level.load(Relaxed) & COUNT))
    }

    pub(crate) fn id(&self) -> u64 {
        self.id.load(Relaxed)
    }

    pub(crate) fn poll(&self) -> Poll {
        Poll(std::array::from_fn(|level| {
            self.levels[level].load(Relaxed)
        }))
    }
}

impl Poll {
    /// The functions that are being polled, outermost first.
    pub(crate) fn levels(&self) -> &[u64] {
        let depth = self.0.iter().position(|word| *word <= COUNT);
        &self.0[..depth.unwrap_or(LEVELS)]
    }
}

/// The function of a level; `None` if it is hidden.
pub(crate) fn function_of(level: u64) -> Option<&'static TrackedFn> {
    let number = u32::try_from(level >> 32).expect("BUG: 32 bits are left");
    TrackedFn::of_number(number)
}

/// The registration of a thread. It ends with the thread.
#[derive(Debug)]
pub(super) struct Registered(&'static Thread);

impl Registered {
    pub(super) fn new() -> Self {
        let id = NEXT_ID.fetch_add(1, Relaxed);
        let left = sync::lock(&LEFT).pop();
        // Leaked: there are as many as there were threads at once.
        let thread = left.unwrap_or_else(|| {
            Box::leak(Box::new(Thread {
                id: AtomicU64::new(id),
                levels: [const { AtomicU64::new(0) }; LEVELS],
            }))
        });
        thread.id.store(id, Relaxed);
        sync::lock(&THREADS).push(thread);
        Self(thread)
    }

    pub(super) fn thread(&self) -> &'static Thread {
        self.0
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        sync::lock(&THREADS).retain(|thread| !std::ptr::eq(*thread, self.0));
        sync::lock(&LEFT).push(self.0);
    }
}

/// The threads that have polled a tracked function and have not ended.
pub(crate) fn threads() -> Vec<&'static Thread> {
    sync::lock(&THREADS).clone()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::panic::Location;

    use super::*;
    use crate::scope::Scope;
    use std::sync::Arc;

    use crate::scope::context::{self, FrameKind};
    use crate::source::function::Function;
    use crate::source::options::Options;

    static OUTER: TrackedFn = TrackedFn::new(Function::unseen(
        file!(),
        "at 1:1",
        &Options::NONE.named("outer"),
    ));
    static INNER: TrackedFn = TrackedFn::new(Function::unseen(
        file!(),
        "at 1:1",
        &Options::NONE.named("inner"),
    ));

    fn known() -> Vec<u64> {
        threads().iter().map(|thread| thread.id()).collect()
    }

    /// The functions that the calling thread is in.
    fn ours() -> (Vec<u64>, Vec<&'static str>) {
        let levels = context::polled().levels().to_vec();
        let names = levels
            .iter()
            .filter_map(|level| Some(function_of(*level)?.name()));
        let names = names.collect();
        (levels, names)
    }

    fn enter<'slot>(
        function: &'static TrackedFn,
        slot: &'slot mut Option<Arc<Scope>>,
    ) -> context::Entered<'slot> {
        context::enter(function, FrameKind::Scope, slot, Location::caller())
    }

    #[test]
    fn a_thread_is_in_its_functions_and_in_none_between_two_polls() {
        let (mut outer, mut inner) = (None, None);
        let outermost = enter(&OUTER, &mut outer);
        let (first, names) = ours();
        assert_eq!(names, ["outer"]);
        let innermost = enter(&INNER, &mut inner);
        let (both, names) = ours();
        assert_eq!((both[0], names), (first[0], vec!["outer", "inner"]));
        drop(innermost);
        let innermost = enter(&INNER, &mut inner);
        let (again, _) = ours();
        assert_eq!(again[0], both[0], "the outer poll goes on");
        assert_ne!(again[1], both[1], "the inner one is another");
        drop(innermost);
        assert_eq!(ours().0, first);
        drop(outermost);
        assert_eq!(ours().0, [0; 0], "between two polls");
    }

    #[test]
    fn threads_that_have_ended_are_forgotten() {
        let before = known();
        for _ in 0..100 {
            let ended = std::thread::spawn(|| {
                drop(enter(&OUTER, &mut None));
            });
            ended.join().unwrap();
        }
        let new = known().iter().filter(|id| !before.contains(id)).count();
        assert!(new < 50, "{new}: other tests have threads as well");
    }

    #[test]
    fn what_a_thread_leaves_is_used_again_and_no_poll_looks_like_an_earlier_one() {
        let mut seen = HashSet::new();
        let mut places = HashSet::new();
        for _ in 0..100 {
            let registered = Registered::new();
            let thread = registered.thread();
            thread.enter(0, &OUTER, false);
            let place = std::ptr::from_ref(thread).addr();
            places.insert(place);
            assert!(seen.insert((place, thread.poll().levels().to_vec())));
            thread.leave(0);
        }
        assert!(
            places.len() < 50,
            "other tests have threads as well: {places:?}"
        );
    }
}
