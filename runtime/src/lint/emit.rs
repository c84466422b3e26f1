//! A finding on its way to those who want to know.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use tracing::Span;

use crate::finding::collector::Collector;
use crate::finding::{Certainty, Finding, Level, Lint};
use crate::handle::Handle;
use crate::scope::foreign::{self, Panicked};
use crate::snapshot::LintStats;
use crate::{config, log, sync};

/// What was just logged is not logged again for this long.
const QUIET: Duration = Duration::from_mins(1);
/// So many places are told apart when suppressing; beyond, places may share.
const PLACES: u64 = 4096;

type Callback = Arc<dyn Fn(&Finding) + Send + Sync>;

static CALLBACKS: RwLock<Vec<Callback>> = RwLock::new(Vec::new());
static FOUND: [AtomicU64; Lint::ALL.len()] = [const { AtomicU64::new(0) }; Lint::ALL.len()];
static SUPPRESSED: [AtomicU64; Lint::ALL.len()] = [const { AtomicU64::new(0) }; Lint::ALL.len()];
static LOGGED: Lazy<DashMap<u64, Logged, FxBuildHasher>> = Lazy::new(DashMap::default);

/// What was logged of a place, and what was not.
struct Logged {
    when: Instant,
    suppressed: u64,
}

/// What the program's path has to do about a finding.
#[must_use]
#[derive(Debug)]
pub(crate) enum Reaction {
    /// Go on: it is told, or need not be.
    Go,
    /// Panic with this message.
    Panic(String),
}

impl Reaction {
    /// This one, or the other where this is to go on: one panic is enough.
    pub(crate) fn or(self, other: Self) -> Self {
        match self {
            Reaction::Go => other,
            Reaction::Panic(_) => self,
        }
    }
}

/// How a finding is logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// The first of its place in full, then at most a line a minute.
    PerPlace,
    /// In full: who tells it minds the pool's episodes.
    Full,
    /// In a line.
    Line,
    /// Not at all: one like it was just told.
    Quiet,
}

/// Who is told, and how.
pub(crate) struct Audience<'a> {
    /// Where it belongs: request and trace ids are on it.
    pub(crate) span: &'a Span,
    /// Who hears of it instead of the log.
    pub(crate) collector: Option<Collector>,
    /// The program is on the path that the finding is about: a panic may follow.
    pub(crate) may_panic: bool,
    pub(crate) log: Log,
}

impl<'a> Audience<'a> {
    /// Those of a handle.
    pub(crate) fn of(handle: &'a Handle, collector: Option<&Collector>, may_panic: bool) -> Self {
        Self {
            span: &handle.span,
            collector: collector.cloned(),
            may_panic,
            log: Log::PerPlace,
        }
    }

    /// Those of a handle, told from elsewhere.
    pub(crate) fn watching(handle: &'a Handle) -> Self {
        let scope = handle.scope();
        let collector = scope.as_ref().and_then(|scope| scope.collector());
        Self::of(handle, collector, false)
    }
}

impl<'a> Audience<'a> {
    /// Those of a whole pool: who listens to somebody who uses it. In full, since a pool's judge minds its episodes.
    pub(super) fn of_pool(span: &'a Span, claims: &[Arc<Handle>]) -> Self {
        let collector = claims.iter().find_map(|claim| {
            let scope = claim.scope()?;
            scope.collector().cloned()
        });
        Self {
            span,
            collector,
            may_panic: false,
            log: Log::Full,
        }
    }
}

impl Finding {
    /// Reports it to everyone who wants to know. Holds no lock meanwhile.
    pub(crate) fn report(self, audience: Audience<'_>) -> Reaction {
        FOUND[self.lint as usize].fetch_add(1, Relaxed);
        if let Some(collector) = audience.collector {
            // First: a callback may end the scope that is collected.
            collector.collect(self.clone());
            self.call_back();
            return Reaction::Go;
        }
        self.call_back();
        let span = audience.span;
        let panics = cfg!(debug_assertions)
            && self.level == Level::Deny
            && self.certainty == Certainty::Certain
            && audience.may_panic
            && !std::thread::panicking();
        if panics {
            let rendered = self.render();
            // The whole text is the panic's.
            log::finding(&self, span, &self.to_string());
            return Reaction::Panic(rendered);
        }
        let logging = match audience.log {
            Log::PerPlace => self.by_place(),
            Log::Full => Logging::Full,
            Log::Line => Logging::Line(self.to_string()),
            Log::Quiet => Logging::Quiet,
        };
        let text = match logging {
            // A line's end, so that the event's fields stand on a line of their own.
            Logging::Full => self.render() + "\n",
            Logging::Line(line) => line,
            Logging::Quiet => {
                SUPPRESSED[self.lint as usize].fetch_add(1, Relaxed);
                return Reaction::Go;
            }
        };
        if !log::finding(&self, span, &text) && cfg!(debug_assertions) {
            log::printed(&text);
        }
        Reaction::Go
    }

    fn call_back(&self) {
        // The callbacks are cloned out: one that registers another, or whose queries find something, must not meet the lock.
        let callbacks = sync::read(&CALLBACKS).clone();
        for callback in callbacks {
            if let Err(Panicked) = foreign::callback(|| callback(self)) {
                log::callback_panicked(self.lint);
            }
        }
    }

    fn by_place(&self) -> Logging {
        match self.may_log() {
            None => Logging::Quiet,
            Some(0) => Logging::Full,
            Some(suppressed) => Logging::Line(format!(
                "{self} (and {suppressed} more like it since the last report)"
            )),
        }
    }

    /// `None`: say nothing. Otherwise how many were not said since the last time.
    fn may_log(&self) -> Option<u64> {
        let mut place = FxBuildHasher.hash_one((self.lint, &self.primary));
        if LOGGED.len() as u64 >= PLACES && !LOGGED.contains_key(&place) {
            place %= PLACES;
        }
        let now = Instant::now();
        let mut first = false;
        let mut logged = LOGGED.entry(place).or_insert_with(|| {
            first = true;
            Logged {
                when: now,
                suppressed: 0,
            }
        });
        if first {
            return Some(0);
        }
        if now.saturating_duration_since(logged.when) < QUIET {
            logged.suppressed += 1;
            return None;
        }
        logged.when = now;
        // At least one: it is not the first, so it is told in a line.
        Some(std::mem::take(&mut logged.suppressed).max(1))
    }
}

/// What is logged of a finding.
enum Logging {
    Full,
    Line(String),
    Quiet,
}

/// Calls `callback` with every finding that is not allowed, before any panic.
///
/// It runs on the thread that found it, with no lock held and outside of all scopes: what it sends or takes is no function's
/// doing. A panic in it is caught and logged. What is found in a callback is told to no callback. It stays for the rest of
/// the process.
///
/// It may be the watchdog's thread, or one that holds the permit that it would wait for: send statements from a task.
pub fn on_finding(callback: impl Fn(&Finding) + Send + Sync + 'static) {
    sync::write(&CALLBACKS).push(Arc::new(callback));
}

/// One row per lint.
pub(crate) fn read_all() -> Vec<LintStats> {
    Lint::ALL
        .into_iter()
        .map(|lint| LintStats {
            lint,
            level: config::level_of_process(lint),
            found: FOUND[lint as usize].load(Relaxed),
            suppressed: SUPPRESSED[lint as usize].load(Relaxed),
        })
        .collect()
}
