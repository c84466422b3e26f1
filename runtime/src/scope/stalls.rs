//! Polls of tracked functions that have kept a thread for long. The watchdog finds them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::site::TrackedFn;
use crate::sync;

/// This many are remembered.
const REMEMBERED: usize = 32;

static STALLS: Mutex<Vec<Stall>> = Mutex::new(Vec::new());

/// A function that has kept a thread for long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stall {
    pub(crate) thread: u64,
    /// The outermost function on the thread, in the poll that lasts.
    pub(crate) poll: u64,
    pub(crate) function: &'static TrackedFn,
    pub(crate) began: Instant,
    /// When the watchdog saw it last.
    pub(crate) seen: Instant,
}

impl Stall {
    pub(crate) fn time(&self) -> Duration {
        self.seen.saturating_duration_since(self.began)
    }
}

/// Remembers a stall, or how long it has become.
pub(crate) fn note(stall: Stall) {
    let mut stalls = sync::lock(&STALLS);
    let known = stalls
        .iter()
        .position(|known| (known.thread, known.poll) == (stall.thread, stall.poll));
    if let Some(known) = known {
        stalls[known] = stall;
        return;
    }
    if stalls.len() >= REMEMBERED {
        stalls.remove(0);
    }
    stalls.push(stall);
}

/// The stalls that took at least `least` of the time since `since`, the longest first.
pub(crate) fn since(since: Instant, least: Duration) -> Vec<Stall> {
    let of_it = |stall: &Stall| stall.seen.saturating_duration_since(stall.began.max(since));
    let mut stalls = sync::lock(&STALLS).clone();
    stalls.retain(|stall| of_it(stall) >= least);
    stalls.sort_by_key(|stall| std::cmp::Reverse(of_it(stall)));
    stalls
}
