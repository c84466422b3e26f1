//! Threads that stay in one poll of a tracked function.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;

use crate::scope::inside;
use crate::scope::stalls::{self, Stall};
use crate::site::TrackedFn;

/// A poll that has lasted for this time is noted: others of the same thread may have waited for it.
const LONG: Duration = Duration::from_millis(200);

/// What each thread was doing at the last look.
#[derive(Default)]
pub(super) struct Polls(HashMap<u64, Seen, FxBuildHasher>);

/// The functions that a thread is in, outermost first.
#[derive(Default)]
struct Seen {
    levels: Vec<Level>,
    /// The function that stayed in one poll for the longest time; of several, the innermost.
    longest: Option<(&'static TrackedFn, Duration)>,
}

struct Level {
    poll: u64,
    /// When it was first seen.
    since: Instant,
}

impl Polls {
    /// Looks at all threads.
    pub(super) fn look(&mut self, now: Instant) {
        let mut before = std::mem::take(&mut self.0);
        for thread in inside::threads() {
            let seen = before.remove(&thread.id()).unwrap_or_default();
            let seen = seen.again(thread.poll().levels(), now);
            if let Some(stall) = seen.stall(thread.id(), now) {
                stalls::note(stall);
            }
            self.0.insert(thread.id(), seen);
        }
    }

    /// The process stood still: no thread was in a poll for that long.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl Seen {
    fn again(mut self, polls: &[u64], now: Instant) -> Self {
        let both = self.levels.iter().zip(polls);
        let same = both
            .take_while(|(level, poll)| level.poll == **poll)
            .count();
        if same == 0 {
            self.longest = None;
        }
        self.levels.truncate(same);
        let new = polls[same..].iter();
        self.levels.extend(new.map(|poll| Level {
            poll: *poll,
            since: now,
        }));
        let long = self.levels.iter().rev().find_map(|level| {
            let time = now.saturating_duration_since(level.since);
            let function = inside::function_of(level.poll)?;
            (time >= LONG).then_some((function, time))
        });
        if let Some((_, time)) = long
            && self.longest.is_none_or(|(_, longest)| time >= longest)
        {
            self.longest = long;
        }
        self
    }

    /// The stall, if the outermost poll has lasted for long. Who took half of that time or more in one poll is to blame; if
    /// nobody did, the outermost function.
    fn stall(&self, thread: u64, now: Instant) -> Option<Stall> {
        let outermost = self.levels.first()?;
        let time = now.saturating_duration_since(outermost.since);
        if time < LONG {
            return None;
        }
        let inner = self.longest.filter(|(_, longest)| *longest >= time / 2);
        let function = inner.map(|(function, _)| function);
        Some(Stall {
            thread,
            poll: outermost.poll,
            function: function.or_else(|| inside::function_of(outermost.poll))?,
            began: outermost.since,
            seen: now,
        })
    }
}
