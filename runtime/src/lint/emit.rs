//! How a finding is reported: to callbacks, a test's collector, the log, or as a panic; and how often.

use std::cell::LazyCell;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use dashmap::{DashMap, Entry};
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;
use tracing::Span;

use crate::finding::collector::Collector;
#[cfg(feature = "board")]
use crate::finding::recent;
use crate::finding::{Certainty, Finding, Level, Lint};
use crate::handle::Handle;
use crate::log::finding::Telling;
use crate::measure::freeze;
use crate::scope::failures::{self, Failure};
use crate::scope::foreign::{self, Panicked};
use crate::scope::{Scope, context};
use crate::snapshot::LintStats;
use crate::{config, log, observe, sync};

/// A finding like one that was logged less than this ago is suppressed.
const QUIET: Duration = Duration::from_mins(1);
/// Suppression keeps this many causes apart; further ones share entries.
const CAUSES: u64 = 4096;

type Callback = Arc<dyn Fn(&Finding) + Send + Sync>;

static CALLBACKS: RwLock<Vec<Callback>> = RwLock::new(Vec::new());
static FOUND: [AtomicU64; Lint::ALL.len()] = [const { AtomicU64::new(0) }; Lint::ALL.len()];
static DENIED: [AtomicU64; Lint::ALL.len()] = [const { AtomicU64::new(0) }; Lint::ALL.len()];
static SUPPRESSED: [AtomicU64; Lint::ALL.len()] = [const { AtomicU64::new(0) }; Lint::ALL.len()];
static LOGGED: Lazy<DashMap<u64, Logged, FxBuildHasher>> = Lazy::new(DashMap::default);

/// When a finding of a cause was logged last, and how many were suppressed since.
struct Logged {
    when: Instant,
    suppressed: u64,
}

/// What the caller of a judge must do.
#[must_use]
#[derive(Debug)]
pub(crate) enum Reaction {
    /// Continue: everything is reported.
    Go,
    /// Panic with this message.
    Panic(String),
}

impl Reaction {
    /// The first of the two that panics: one panic is enough.
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
    /// The first finding of its cause in full, then at most one line a minute.
    PerCause,
    /// The same, for findings about the server that has this hash.
    PerServer(u64),
    /// In full: the judge itself reports once per episode of the pool.
    Full,
    /// As one line.
    Line,
    /// Not at all: a finding like it was just logged.
    Quiet,
}

/// Where a finding is reported, and how.
pub(crate) struct Audience<'a> {
    /// The span that the event is emitted in, so that request and trace ids are on it.
    pub(crate) span: &'a Span,
    /// Takes the finding in place of the log.
    pub(crate) collector: Option<Collector>,
    /// The scope that it is about, if that is not the one that is running on this thread.
    pub(crate) scope: Option<Arc<Scope>>,
    /// The program runs on the path that the finding is about, so it may panic there.
    pub(crate) may_panic: bool,
    pub(crate) log: Log,
}

impl<'a> Audience<'a> {
    /// The audience of a handle.
    pub(crate) fn of(handle: &'a Handle, collector: Option<&Collector>, may_panic: bool) -> Self {
        Self {
            span: &handle.span,
            collector: collector.cloned(),
            scope: None,
            may_panic,
            log: Log::PerCause,
        }
    }

    /// The audience of a handle that another thread looks at: no panic may follow.
    pub(crate) fn watching(handle: &'a Handle) -> Self {
        let scope = handle.scope();
        let collector = scope.as_ref().and_then(|scope| scope.collector());
        Self {
            scope: scope.clone(),
            ..Self::of(handle, collector, false)
        }
    }

    /// The audience of a whole pool: a test that collects the findings of one of its users, else the log, in full.
    pub(super) fn of_pool(span: &'a Span, claims: &[Arc<Handle>]) -> Self {
        let scopes = || claims.iter().filter_map(|claim| claim.scope());
        Self {
            span,
            collector: scopes().find_map(|scope| scope.collector().cloned()),
            scope: scopes().next(),
            may_panic: false,
            log: Log::Full,
        }
    }
}

impl Finding {
    /// Reports the finding. Holds no lock meanwhile.
    pub(crate) fn report(self, audience: Audience<'_>) -> Reaction {
        freeze::aside(|| self.tell(audience))
    }

    fn tell(self, audience: Audience<'_>) -> Reaction {
        FOUND[self.lint as usize].fetch_add(1, Relaxed);
        if self.level == Level::Deny {
            DENIED[self.lint as usize].fetch_add(1, Relaxed);
        }
        #[cfg(feature = "board")]
        recent::note(&self, || self.cause_by_places());
        if let Some(collector) = audience.collector {
            // First: a callback may end the scope that is collected.
            collector.collect(self.clone());
            self.call_back();
            return Reaction::Go;
        }
        self.call_back();
        let span = audience.span;
        let fails = self.fails();
        if fails && audience.may_panic && !std::thread::panicking() {
            let rendered = self.render();
            let drawn = || rendered.clone() + "\n";
            log::finding::emit(&self, span, Telling::InFull, drawn);
            log::print::finding(|| rendered.clone());
            return Reaction::Panic(rendered);
        }
        self.log(span, audience.log);
        if fails && config::rules().fails_likely() {
            let failure = Failure {
                message: self.render(),
                pool: self.pool,
            };
            match audience.scope.or_else(context::scope) {
                Some(scope) => scope.fail(failure),
                None => failures::leave_unclaimed(failure),
            }
        }
        Reaction::Go
    }

    /// Logs a finding that a test has collected and not looked at.
    pub(crate) fn log_unseen(&self) {
        self.log(&Span::current(), Log::PerCause);
    }

    fn log(&self, span: &Span, how: Log) {
        let Some(telling) = self.telling(how) else {
            log::print::finding(|| self.to_string());
            SUPPRESSED[self.lint as usize].fetch_add(1, Relaxed);
            return;
        };
        // Drawn once, and only where somebody looks at it: that reads source files.
        let text = LazyCell::new(|| self.told(telling));
        let is_on_stderr = log::print::finding(|| text.clone());
        let is_taken = log::finding::emit(self, span, telling, || text.clone());
        if !is_taken && !is_on_stderr && cfg!(debug_assertions) {
            log::printed(&text);
        }
    }

    /// Whether it panics where it may.
    fn fails(&self) -> bool {
        cfg!(debug_assertions)
            && self.level == Level::Deny
            && (self.certainty == Certainty::Certain || config::rules().fails_likely())
    }

    fn call_back(&self) {
        // The callbacks are cloned out, because a callback may register another one, or cause a finding itself.
        let callbacks = sync::read(&CALLBACKS).clone();
        for callback in callbacks {
            if let Err(Panicked) = foreign::callback(|| callback(self)) {
                log::callback_panicked(self.lint);
            }
        }
        observe::finding(self);
    }

    /// How the finding is told; `None` if it is suppressed.
    fn telling(&self, log: Log) -> Option<Telling> {
        match log {
            Log::PerCause => count(self.cause_by_places(), Instant::now()),
            Log::PerServer(server) => {
                count(FxBuildHasher.hash_one((self.lint, server)), Instant::now())
            }
            Log::Full => Some(Telling::InFull),
            Log::Line => Some(Telling::InALine),
            Log::Quiet => None,
        }
    }

    fn told(&self, telling: Telling) -> String {
        match telling {
            // The line break puts the event's fields on a line of their own.
            Telling::InFull => self.render() + "\n",
            Telling::InALine | Telling::Again { .. } => self.line(telling),
        }
    }

    /// What findings with the same cause have in common: the primary place, the function at fault, and the place that
    /// comes second. That is the place of the other party: the holder of a nested acquire, the begin of a transaction.
    fn cause_by_places(&self) -> u64 {
        let other = self.related.first().map(|related| &related.site);
        FxBuildHasher.hash_one((self.lint, &self.primary, &self.function, other))
    }
}

/// Counts a finding of this cause. Returns how it is told; `None` if the last one was told less than [`QUIET`] ago.
fn count(mut cause: u64, now: Instant) -> Option<Telling> {
    if LOGGED.len() as u64 >= CAUSES && !LOGGED.contains_key(&cause) {
        cause %= CAUSES;
    }
    match LOGGED.entry(cause) {
        Entry::Vacant(entry) => {
            entry.insert(Logged {
                when: now,
                suppressed: 0,
            });
            Some(Telling::InFull)
        }
        Entry::Occupied(mut entry) => {
            let logged = entry.get_mut();
            if now.saturating_duration_since(logged.when) < QUIET {
                logged.suppressed += 1;
                return None;
            }
            logged.when = now;
            Some(Telling::Again {
                suppressed: std::mem::take(&mut logged.suppressed),
            })
        }
    }
}

/// Calls `callback` with every finding that is not allowed, before any panic.
///
/// The callback stays for the rest of the process. It runs on the thread that made the finding, outside of all scopes: its
/// statements and handles belong to no function. A panic in it is caught and logged. A finding that a callback causes is reported to no
/// callback.
///
/// # Locking
///
/// No lock is held while a callback runs. Its thread may be the watchdog's, or one that holds the permit that the callback
/// would wait for: to use a pool, spawn a task.
pub fn on_finding(callback: impl Fn(&Finding) + Send + Sync + 'static) {
    sync::write(&CALLBACKS).push(Arc::new(callback));
}

/// The number of findings of each lint.
pub(crate) fn read_all() -> Vec<LintStats> {
    Lint::ALL
        .into_iter()
        .map(|lint| LintStats {
            lint,
            level: config::level_of_process(lint),
            // In this order, there are never more denied ones than found ones.
            denied: DENIED[lint as usize].load(Relaxed),
            found: FOUND[lint as usize].load(Relaxed),
            suppressed: SUPPRESSED[lint as usize].load(Relaxed),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::sync::Mutex;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;
    use crate::source::place::Place;

    #[test]
    fn a_cause_is_told_once_and_then_once_a_minute_with_what_was_suppressed() {
        let (cause, begun) = (u64::MAX - 7, Instant::now());
        let told = |seconds| count(cause, begun + Duration::from_secs(seconds));
        assert_eq!(told(0), Some(Telling::InFull));
        assert_eq!(told(1), None);
        assert_eq!(told(59), None);
        assert_eq!(told(60), Some(Telling::Again { suppressed: 2 }));
        assert_eq!(told(119), None);
        assert_eq!(told(180), Some(Telling::Again { suppressed: 1 }));
        assert_eq!(told(240), Some(Telling::Again { suppressed: 0 }));
    }

    /// Keeps the fields of each event.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(String, String)>>>);

    impl Visit for Kept {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            let entry = (field.name().to_owned(), format!("{value:?}"));
            sync::lock(&self.0).push(entry);
        }
    }

    impl Subscriber for Kept {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn the_event_of_a_repeated_finding_has_the_number_of_those_that_were_suppressed() {
        let finding = Finding::of(Lint::SlowQuery, Level::Warn, Place::UNKNOWN)
            .title("a test of what is repeated")
            .certain("a test");
        let a_while_ago = Instant::now().checked_sub(QUIET).expect("the clock runs");
        let cause = finding.cause_by_places();
        let logged = Logged {
            when: a_while_ago,
            suppressed: 7,
        };
        LOGGED.insert(cause, logged);
        let kept = Kept::default();
        tracing::subscriber::with_default(kept.clone(), || finding.log_unseen());
        let fields = sync::lock(&kept.0);
        let of = |name: &str| {
            let field = fields.iter().find(|(field, _)| field == name);
            field.map(|(_, value)| &**value)
        };
        assert_eq!(of("suppressed"), Some("7"), "{fields:?}");
        let message = of("message").expect("a message");
        assert!(
            message.ends_with("(again; 7 suppressed since the last report)"),
            "{message}"
        );
        assert_eq!(of("title"), Some("\"a test of what is repeated\""));
    }
}
