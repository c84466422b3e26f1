//! Why a pool ran dry: seven verdicts, from what can be proven to what can only be ruled out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::finding::{Certainty, Fact, Related, Verdict};
use crate::handle::{Handle, live};
use crate::lint::deadlock;
use crate::lint::demand::{note_demand, note_nesting};
use crate::lint::describe::permits;
use crate::lint::own_wait::Waiting;
use crate::lint::places::{LISTED, holders, waiters};
use crate::lint::wait_for::{Deadlock, deadlocked};
use crate::measure::freeze;
use crate::measure::units::short;
use crate::pool_state::PoolState;
use crate::pool_state::connect_probe::{Answer, ConnectProbe};
use crate::pool_state::episode::Diagnosis;
use crate::pool_state::registry::ErasedPool;
use crate::scope::stalls::{self, Stall};

/// A runtime that takes longer than this to poll a task that was woken is blocked.
const STALL: Duration = Duration::from_millis(500);

/// How far the wait is that is diagnosed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It goes on.
    SoFar,
    TimedOut,
}

pub(super) fn diagnose(
    waiter: &Handle,
    pool: &dyn ErasedPool,
    stage: Stage,
    now: Instant,
) -> Diagnosis {
    let of = waiter.pool.id();
    let all = live::all();
    note_demand(&all);
    let deadlock = deadlocked(&all)
        .into_iter()
        .find(|deadlock| deadlock.concerns(of));
    let waiting = Waiting::among(&all);
    let of_pool = all.iter().filter(|claim| claim.pool.id() == of);
    let claims: Vec<_> = of_pool.cloned().collect();
    let of_pool = claims.iter().filter(|claim| claim.is_waiting());
    of_pool.for_each(|claim| note_nesting(claim));
    let case = Case {
        waiter,
        pool,
        claims: &claims,
        waiting: &waiting,
        waited: waiter.has_waited(now),
        stage,
        now,
    };
    let mut diagnosis = case.diagnose(deadlock.as_ref());
    if diagnosis.related.is_empty() && diagnosis.culprit.is_none() {
        diagnosis.related = holders(&claims);
        diagnosis.related.extend(waiters(&claims, waiter.place));
    }
    let oldest = || case.held().next().map(|held| held.place);
    diagnosis.holder = diagnosis.holder.or_else(oldest);
    let mut facts = case.facts(&waiter.pool);
    facts.append(&mut diagnosis.facts);
    Diagnosis { facts, ..diagnosis }
}

fn of_deadlock(deadlock: &Deadlock) -> Diagnosis {
    let mut diagnosis = Diagnosis::new(
        Verdict::Deadlock,
        deadlock.certainty,
        deadlock::cause(deadlock),
    );
    diagnosis.holder = deadlock.holders().next().map(|held| held.place);
    diagnosis.related = deadlock::places(deadlock);
    diagnosis.help = deadlock::help(deadlock);
    diagnosis
}

/// The runtime took `slowest` to poll a task, while functions kept its threads.
fn blocked_by(first: &Stall, others: &[Stall], slowest: Duration) -> Diagnosis {
    let (name, time) = (first.function.name(), short(first.time()));
    let cause = format!(
        "{name} kept its thread for {time} or longer, and let no other task run there: a task that was woken \
         meanwhile was not polled for {}",
        short(slowest)
    );
    let kept = |stall: &Stall| format!("kept its thread for {} or longer", short(stall.time()));
    let mut diagnosis = Diagnosis::new(Verdict::RuntimeStall, Certainty::Likely, cause)
        .fact("thread kept for", time)
        .help(format!(
            "move what blocks in {name} off the runtime's threads (`std::thread::sleep`, a std lock, a long computation, blocking IO): \
             `tokio::task::spawn_blocking(move || …).await?`"
        ))
        .help("or, in a long computation, let others run in between: `tokio::task::yield_now().await`");
    diagnosis.culprit = Some((first.function.place(), kept(first)));
    let others = others.iter().take(LISTED);
    diagnosis.related = others
        .map(|stall| Related::new(kept(stall), stall.function.place()))
        .collect();
    diagnosis
}

/// One timeout, with what is known at that time.
pub(super) struct Case<'a> {
    pub(super) waiter: &'a Handle,
    pub(super) pool: &'a dyn ErasedPool,
    /// The claims on its pool, oldest first.
    pub(super) claims: &'a [Arc<Handle>],
    /// The claims on any pool that wait.
    pub(super) waiting: &'a Waiting<'a>,
    pub(super) waited: Duration,
    stage: Stage,
    pub(super) now: Instant,
}

impl Case<'_> {
    /// The first verdict that applies: those that can be proven come first.
    fn diagnose(&self, deadlock: Option<&Deadlock>) -> Diagnosis {
        self.no_time()
            .or_else(|| self.clock())
            .or_else(|| deadlock.map(of_deadlock))
            .or_else(|| self.reads_on())
            .or_else(|| self.stall())
            .or_else(|| self.unreachable())
            .or_else(|| self.runs_on())
            .or_else(|| self.hanging_return())
            .or_else(|| self.unaccounted())
            .or_else(|| self.hoarder())
            .or_else(|| self.lent())
            .or_else(|| self.capacity())
            .unwrap_or_else(|| self.unknown())
    }

    /// The facts about the pool, whatever the verdict.
    fn facts(&self, state: &PoolState) -> Vec<Fact> {
        let waiting = self.claims.iter().filter(|claim| claim.is_waiting());
        let longest = waiting.map(|claim| claim.has_waited(self.now)).max();
        let mut facts = vec![
            permits(state),
            Fact::new("open", self.pool.size().to_string()),
            Fact::new("idle", self.pool.idle().to_string()),
            Fact::new("longest wait", short(longest.unwrap_or_default())),
        ];
        let returning = state.permits.returning();
        if returning > 0 {
            facts.push(Fact::new("returning", returning.to_string()));
        }
        if let Some(place) = state.lent_at() {
            let at = format!("{}:{}", place.file, place.line);
            facts.push(Fact::new("lent to plain sqlx at", at));
        }
        facts
    }

    pub(super) fn max(&self) -> u64 {
        u64::from(self.waiter.pool.limits.max_connections)
    }

    fn timeout(&self) -> Duration {
        self.waiter.pool.limits.acquire_timeout
    }

    /// The pool gives an acquire no time.
    fn no_time(&self) -> Option<Diagnosis> {
        self.timeout().is_zero().then(|| {
            Diagnosis::new(
                Verdict::Unknown,
                Certainty::Certain,
                "`acquire_timeout` is zero: an acquire has no time to wait for a permit or to open a connection",
            )
            .help("give it time: `.acquire_timeout(Duration::from_secs(30))` is sqlx's default")
        })
    }

    /// The clock did not run as the pool believes.
    fn clock(&self) -> Option<Diagnosis> {
        let certain = |cause| Diagnosis::new(Verdict::Unknown, Certainty::Certain, cause);
        if self.stage == Stage::TimedOut && self.waited < self.timeout() / 2 {
            let cause = format!(
                "only {} of the pool's {} really passed: the runtime's clock is paused or was advanced",
                short(self.waited),
                short(self.timeout())
            );
            return Some(certain(cause).help(
                "tokio's paused clock advances while a connection is awaited: in the test, resume it around the database, \
                 `tokio::time::resume()`",
            ));
        }
        let frozen = freeze::frozen_since(self.waiter.asked())?;
        (frozen >= self.waited / 2).then(|| {
            certain(format!(
                "the process stood still for {} of this wait: stopped, suspended, or starved of the processor",
                short(frozen)
            ))
        })
    }

    /// The runtime did not poll the waiter although it was woken.
    fn stall(&self) -> Option<Diagnosis> {
        // While a queue is served, the timer of an acquire may only be one of many that are due.
        let late = if self.is_queue() {
            Duration::ZERO
        } else {
            self.waited.saturating_sub(self.timeout())
        };
        // Only this waiter's polls count: another waiter's own task may not poll it, as in a stream of futures that is not read.
        let slowest = self.waiter.slowest_poll(self.now).max(late);
        // Of a wait that goes on, a part of its time so far counts.
        let whole = match self.stage {
            Stage::SoFar => self.waited.min(self.timeout()),
            Stage::TimedOut => self.timeout(),
        };
        if slowest < STALL.max(whole / 4) {
            return None;
        }
        let stalls = stalls::since(self.waiter.asked(), slowest / 2);
        let diagnosis = match &stalls[..] {
            [] => Diagnosis::new(
                Verdict::RuntimeStall,
                Certainty::Likely,
                format!(
                    "the async runtime took {} to poll a task that was woken: something blocks its threads",
                    short(slowest)
                ),
            )
            .help(
                "look for code that blocks in async functions (`std::thread::sleep`, a std lock, a long computation, blocking IO) and move it: \
                 `tokio::task::spawn_blocking(move || …).await?`",
            ),
            [first, others @ ..] => blocked_by(first, others, slowest),
        };
        Some(diagnosis.fact("slowest poll", short(slowest)))
    }

    /// The last side connect, if it says something about this wait.
    pub(super) fn probe(&self) -> Option<ConnectProbe> {
        let (pool, asked) = (&self.waiter.pool, self.waiter.asked());
        pool.probes.during(asked, pool.granted())
    }

    /// The handles that hold their permits.
    pub(super) fn held(&self) -> impl Iterator<Item = &Arc<Handle>> + Clone {
        self.claims.iter().filter(|claim| claim.is_held())
    }

    /// The number of permits granted during this wait.
    pub(super) fn granted(&self) -> u64 {
        self.waiter
            .pool
            .granted()
            .saturating_sub(self.waiter.granted_before())
    }

    /// Whether no permit is free. At any moment some of them pass from one holder to the next.
    pub(super) fn is_full(&self) -> bool {
        let (state, pool) = (&self.waiter.pool, self.pool);
        let known = state.permits.taken();
        let in_use = u64::from(pool.size().saturating_sub(pool.idle()));
        known >= self.max() || (in_use >= self.max() && self.granted() > 0) || self.is_queue()
    }

    /// Whether permits were granted during this wait while this acquire, or others, queued for them. They did if more acquires
    /// wait than could have a permit and be opening its connection. This one did if no permit was left when it asked, and
    /// hardly anybody was served who came later.
    pub(super) fn is_queue(&self) -> bool {
        let (served, max) = (self.granted(), self.max());
        let is_long = self.waiter.pool.permits.waiting() > max;
        // Acquires that ask at the same time may be counted in another order than they are served.
        let in_turn = served <= self.waiter.waiting_before() + max;
        served > 0 && (is_long || self.waiter.had_to_queue() && in_turn)
    }

    fn unknown(&self) -> Diagnosis {
        let pool = &self.waiter.pool;
        let connects = pool.permits.taken() < self.max()
            && self
                .probe()
                .is_some_and(|probe| matches!(probe.answer, Answer::Connected));
        if pool.lent_at().is_none()
            && let Some(diagnosis) = self.still_opening()
        {
            return diagnosis;
        }
        let (cause, help) = match pool.lent_at() {
            Some(place) => (
                "plain sqlx has this pool, and the connections that it takes are not visible",
                format!(
                    "look at the code that received the pool at {}:{}",
                    place.file, place.line
                ),
            ),
            None if connects => (
                "permits are free and a separate connect succeeded: the acquire waits for a pooled connection that does not \
                 answer, or for a hook",
                format!("look at the hooks (`after_connect`, `before_acquire`), and {LET_IDLE_ONES_EXPIRE}"),
            ),
            None => (
                "no evidence explains it",
                "look at the server's own list of connections, and at what else the program waited for"
                    .to_owned(),
            ),
        };
        Diagnosis::new(Verdict::Unknown, Certainty::Unknown, cause).help(help)
    }
}

pub(super) const LET_IDLE_ONES_EXPIRE: &str = "let idle connections expire before a proxy or firewall drops them silently: \
     `PoolOptions::idle_timeout`, `max_lifetime`";
