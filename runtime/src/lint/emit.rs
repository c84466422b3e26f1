//! A finding on its way to those who want to know.

use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use super::{Certainty, Finding, Level, Lint};
use crate::config;
use crate::report;
use crate::snapshot::LintStats;

/// What was just logged is not logged again for this long.
const QUIET: Duration = Duration::from_mins(1);
/// So many places are told apart when suppressing; beyond, places may share.
const PLACES: u64 = 4096;

/// Where the findings of a scope go when somebody collects them.
pub(crate) type Collector = Arc<Mutex<Vec<Finding>>>;

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
pub(crate) enum Verdict {
    /// Nothing: it is told.
    Told,
    /// Panic with this message.
    Panic(String),
}

/// Whether a panic may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// The program is on the path that the finding is about.
    Running,
    /// In a destructor, or elsewhere than where it happened.
    Aside,
}

impl Finding {
    /// Tells everyone who wants to know, inside `span`. Holds no lock while it does.
    pub(crate) fn tell(
        self,
        span: &tracing::Span,
        collector: Option<&Collector>,
        path: Path,
    ) -> Verdict {
        FOUND[self.lint as usize].fetch_add(1, Relaxed);
        self.call_back();
        if let Some(collector) = collector {
            collector
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(self);
            return Verdict::Told;
        }
        let panics = cfg!(debug_assertions)
            && self.level == Level::Deny
            && self.certainty == Certainty::Certain
            && path == Path::Running
            && !std::thread::panicking();
        if panics {
            let rendered = self.render();
            // The whole text is the panic's.
            span.in_scope(|| report::finding(&self, &self.to_string()));
            return Verdict::Panic(rendered);
        }
        match self.may_log() {
            None => _ = SUPPRESSED[self.lint as usize].fetch_add(1, Relaxed),
            Some(0) => {
                // A line's end, so that the event's fields stand on a line of their own.
                let rendered = self.render() + "\n";
                if !span.in_scope(|| report::finding(&self, &rendered)) && cfg!(debug_assertions) {
                    eprint!("{rendered}");
                }
            }
            Some(suppressed) => {
                let line = format!("{self} (and {suppressed} more like it since it was last told)");
                if !span.in_scope(|| report::finding(&self, &line)) && cfg!(debug_assertions) {
                    eprintln!("{line}");
                }
            }
        }
        Verdict::Told
    }

    fn call_back(&self) {
        // The callbacks are cloned out: one that registers another, or whose queries find something, must not meet the lock.
        let callbacks = CALLBACKS
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for callback in callbacks {
            if catch_unwind(AssertUnwindSafe(|| callback(self))).is_err() {
                report::callback_panicked(self.lint);
            }
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

/// Calls `callback` with every finding whose level is not allow, before any panic.
///
/// The callback runs on the thread that found it, with no lock held. A panic in it is caught and logged. It stays for the
/// rest of the process.
pub(crate) fn on_finding(callback: impl Fn(&Finding) + Send + Sync + 'static) {
    CALLBACKS
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Arc::new(callback));
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
