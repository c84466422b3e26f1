//! An acquire timed out: who holds what, and why there was no permit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::describe::{closing_notes, fact, permits, taker};
use super::emit::{Audience, Log, Path};
use super::{Certainty, Fact, Finding, Level, Lint, Reaction, Related, Verdict, deadlock, pool};
use crate::config;
use crate::handle::{self, Handle, Standing};
use crate::pool_state::dry::{Episode, Turn};
use crate::pool_state::probe::{Outcome, Probe};
use crate::pool_state::{self, Gauge, Hold};
use crate::report;
use crate::snapshot::{Activity, HoldStats};
use crate::units::{count, short};
use crate::watchdog::{self, Stuck};

/// What is found out about a timeout.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(crate) verdict: Verdict,
    certainty: Certainty,
    cause: String,
    help: Vec<String>,
    related: Vec<Related>,
    facts: Vec<Fact>,
}

impl Diagnosis {
    pub(crate) fn new(verdict: Verdict, certainty: Certainty, cause: impl Into<String>) -> Self {
        Self {
            verdict,
            certainty,
            cause: cause.into(),
            help: Vec::new(),
            related: Vec::new(),
            facts: Vec::new(),
        }
    }
}

/// `waiter`, which still counts as waiting, was not given a permit in time. The message to panic with, if it must.
pub(crate) fn pool_timeout(waiter: &Arc<Handle>) -> Option<String> {
    let rules = config::rules();
    let name = waiter.pool.name();
    let level = rules.level(Lint::PoolTimeout, waiter.place.function, Some(&name));
    if level == Level::Allow {
        return None;
    }
    let now = Instant::now();
    let gauge = pool_state::gauge(waiter.pool.id())?;
    let time = waiter.has_waited(now);
    let diagnosis = match waiter.pool.dry.shared(waiter.asked(), now) {
        Some(diagnosis) => diagnosis,
        None => Arc::new(diagnose(waiter, &*gauge, now)),
    };
    let pool = &waiter.pool;
    let log = match pool.dry.timed_out(&diagnosis, pool, now) {
        Turn::First => Log::Full,
        Turn::Changed => Log::Line,
        Turn::Same => Log::Quiet,
    };
    let mut facts = vec![fact("waited", short(time))];
    facts.extend(diagnosis.facts.iter().cloned());
    let finding = Finding {
        lint: Lint::PoolTimeout,
        level,
        certainty: diagnosis.certainty,
        cause: diagnosis.cause.clone(),
        title: format!(
            "{} waited {} for a connection of pool {name} and got none",
            taker(waiter.place),
            short(time)
        ),
        verdict: Some(diagnosis.verdict),
        primary: waiter.place.to_call_site(),
        label: "waited here".to_owned(),
        function: waiter
            .place
            .function
            .map(|function| function.name().to_owned()),
        pool: Some(name.to_string()),
        related: diagnosis.related.clone(),
        facts,
        help: diagnosis.help.clone(),
        notes: closing_notes(Lint::PoolTimeout, waiter.place.function, Some(&waiter.pool)),
    };
    let scope = waiter.scope();
    let collector = scope.as_ref().and_then(|scope| scope.collector());
    let audience = Audience {
        log,
        ..Audience::of(waiter, collector, Path::Running)
    };
    match finding.tell(audience) {
        Reaction::Go => None,
        Reaction::Panic(message) => Some(message),
    }
}

fn diagnose(waiter: &Handle, gauge: &dyn Gauge, now: Instant) -> Diagnosis {
    let pool = &waiter.pool;
    let mut claims = handle::all();
    let stuck = watchdog::deadlocked(&claims)
        .into_iter()
        .find(|stuck| stuck.concerns(pool.id()));
    claims.retain(|claim| claim.pool.id() == pool.id());
    let case = Case {
        waiter,
        gauge,
        claims: &claims,
        waited: waiter.has_waited(now),
        now,
    };
    let mut diagnosis = case.diagnose(stuck.as_ref());
    if diagnosis.related.is_empty() {
        diagnosis.related = pool::holders(&claims);
    }
    let waiting = claims.iter().filter(|claim| claim.is_waiting());
    let longest = waiting.clone().map(|claim| claim.has_waited(now)).max();
    let mut facts = vec![
        permits(pool),
        fact("open", gauge.size().to_string()),
        fact("idle", gauge.idle().to_string()),
        fact("longest wait", short(longest.unwrap_or_default())),
    ];
    let returning = pool.permits.returning();
    if returning > 0 {
        facts.push(fact("on the way back", returning.to_string()));
    }
    if let Some(place) = pool.lent_at() {
        let at = format!("{}:{}", place.file, place.line);
        facts.push(fact("lent to plain sqlx at", at));
    }
    facts.append(&mut diagnosis.facts);
    Diagnosis { facts, ..diagnosis }
}

fn of_deadlock(stuck: &Stuck) -> Diagnosis {
    let mut diagnosis = Diagnosis::new(Verdict::Deadlock, stuck.certainty, deadlock::cause(stuck));
    diagnosis.related = deadlock::places(stuck);
    diagnosis.help = deadlock::help(stuck);
    diagnosis
}

/// Those who wait for the pool are served again.
pub(crate) fn recovered(pool: &pool_state::PoolState, episode: &Episode, now: Instant) {
    report::pool_recovered(
        pool,
        &format!(
            "acquires are served again: {} in {}",
            count(episode.timeouts, "timeout"),
            short(now.saturating_duration_since(episode.since))
        ),
    );
}

/// One timeout, and what is known around it.
struct Case<'a> {
    waiter: &'a Handle,
    gauge: &'a dyn Gauge,
    /// The claims on its pool, oldest first.
    claims: &'a [Arc<Handle>],
    waited: Duration,
    now: Instant,
}

impl Case<'_> {
    /// From what can be proven to what can only be ruled out.
    fn diagnose(&self, stuck: Option<&Stuck>) -> Diagnosis {
        self.clock()
            .or_else(|| stuck.map(of_deadlock))
            .or_else(|| self.stall())
            .or_else(|| self.unreachable())
            .or_else(|| self.unaccounted())
            .or_else(|| self.hoarder())
            .or_else(|| self.lent())
            .or_else(|| self.capacity())
            .unwrap_or_else(|| self.unknown())
    }

    fn max(&self) -> u64 {
        u64::from(self.waiter.pool.limits.max_connections)
    }

    fn timeout(&self) -> Duration {
        self.waiter.pool.limits.acquire_timeout
    }

    /// Time itself did not pass as the pool believes.
    fn clock(&self) -> Option<Diagnosis> {
        if self.waited < self.timeout() / 2 {
            let cause = format!(
                "only {} really passed of the {} that the pool waits: the runtime's clock is paused or was advanced",
                short(self.waited),
                short(self.timeout())
            );
            let mut diagnosis = Diagnosis::new(Verdict::Unknown, Certainty::Certain, cause);
            diagnosis.help.push(
                "in a test with tokio's paused clock, time runs ahead while a connection is awaited: resume it around the database, \
                 `tokio::time::resume()`"
                    .to_owned(),
            );
            return Some(diagnosis);
        }
        let frozen = watchdog::frozen_since(self.waiter.asked())?;
        if frozen < self.waited / 2 {
            return None;
        }
        let cause = format!(
            "the process stood still for {} of this wait: stopped, suspended, or starved of the processor",
            short(frozen)
        );
        Some(Diagnosis::new(Verdict::Unknown, Certainty::Certain, cause))
    }

    /// The runtime did not poll what was ready.
    fn stall(&self) -> Option<Diagnosis> {
        let late = self.waited.saturating_sub(self.timeout());
        // Of others it may be their own task that does not poll them: a stream of futures that is not read.
        let slowest = self.waiter.slowest_poll(self.now).max(late);
        if slowest < STALL.max(self.timeout() / 4) {
            return None;
        }
        let cause = format!(
            "the async runtime took {} to poll a task that was woken: something blocks its threads",
            short(slowest)
        );
        let mut diagnosis = Diagnosis::new(Verdict::RuntimeStall, Certainty::Likely, cause);
        diagnosis.facts.push(fact("slowest poll", short(slowest)));
        diagnosis.help = vec![
            "look for code that blocks in async functions (`std::thread::sleep`, a std lock, a long computation, blocking IO) and move it: \
             `tokio::task::spawn_blocking(move || …).await?`"
                .to_owned(),
        ];
        Some(diagnosis)
    }

    /// There are permits, and no connection comes of them.
    fn unreachable(&self) -> Option<Diagnosis> {
        let pool = &self.waiter.pool;
        if pool.permits.taken() >= self.max() {
            return None;
        }
        let probe = self.probe()?;
        let ago = short(self.now.saturating_duration_since(probe.began));
        let address = self.gauge.endpoint();
        let (certainty, cause) = match &probe.outcome {
            Outcome::Connected => return None,
            Outcome::Failed(error) => (
                if probe.ran_beside(self.waiter.asked()) {
                    Certainty::Certain
                } else {
                    Certainty::Likely
                },
                format!("connecting to {address} fails: {error}"),
            ),
            Outcome::Crowded(error) => (
                Certainty::Likely,
                format!("one more connection to {address} is refused: {error}"),
            ),
            Outcome::Open => (
                Certainty::Likely,
                format!("connecting to {address} began {ago} ago and got no answer"),
            ),
            // A server that is merely slow to answer is given a part of the wait.
            Outcome::GivenUp(after) if *after < self.waited / 4 => return None,
            Outcome::GivenUp(after) => (
                Certainty::Likely,
                format!("connecting to {address} got no answer in {}", short(*after)),
            ),
        };
        let mut diagnosis = Diagnosis::new(Verdict::Unreachable, certainty, cause);
        diagnosis.facts.push(fact("tried", format!("{ago} ago")));
        diagnosis.help = vec![
            format!(
                "see whether a server listens at {address}, and whether this machine may reach it"
            ),
            format!(
                "a pool tries until its time is up; to have the error itself, and at once, connect once without one when the \
                 program starts: `{}::connect(url).await?`",
                address.connection
            ),
        ];
        Some(diagnosis)
    }

    /// Permits are gone, and nobody who is known has them.
    fn unaccounted(&self) -> Option<Diagnosis> {
        let pool = &self.waiter.pool;
        if pool.lent_at().is_some() {
            return None;
        }
        let in_use = u64::from(self.gauge.size().saturating_sub(self.gauge.idle()));
        let returning = pool.permits.returning();
        let known = pool.held() + returning;
        // Where the server can be reached and every permit is gone, who waits has none. Where permits go from hand to hand,
        // one may be on its way to somebody who still counts as waiting.
        let reachable = pool.endpoint.system == "sqlite"
            || self
                .probe()
                .is_some_and(|probe| matches!(probe.outcome, Outcome::Connected));
        let unexplained = if reachable && in_use >= self.max() && self.granted() == 0 {
            in_use.saturating_sub(known)
        } else {
            pool::unexplained(self.gauge)
        };
        // A return takes a moment; one that takes half of a timeout hangs.
        let hanging = self.claims.iter().filter(|claim| {
            matches!(claim.look().standing, Standing::Returning(since)
                if self.now.saturating_duration_since(since) >= self.waited / 2)
        });
        let hanging = hanging.count() as u64;
        if hanging > 0 {
            let cause = format!(
                "{} given back and not there again: sqlx checks each with the server first, and it does not answer",
                match hanging {
                    1 => "1 connection was".to_owned(),
                    hanging => format!("{hanging} connections were"),
                }
            );
            let mut diagnosis = Diagnosis::new(Verdict::Unaccounted, Certainty::Likely, cause);
            diagnosis.help = vec![
                "bound the return: `SQLX_LEASH=\"return_timeout=10s\"` or `leash::Config::return_timeout`".to_owned(),
            ];
            return Some(diagnosis);
        }
        if unexplained == 0 {
            return None;
        }
        let (who, help) = if pool.is_shared() {
            (
                "something takes connections from the plain sqlx pool that this one was made from",
                "where other code needs plain sqlx's pool, give it `pool.as_sqlx()`: its permits are then known as lent",
            )
        } else {
            (
                "nobody else has the plain pool, so it looks as if sqlx has them, and opens, checks, gives back or closes connections \
                 that hang",
                "have idle connections end before something on the way to the server drops them without a word: \
                 `PoolOptions::idle_timeout`, `max_lifetime`",
            )
        };
        let cause = format!(
            "{} in use by nobody that is known: {who}",
            match unexplained {
                1 => "1 permit is".to_owned(),
                unexplained => format!("{unexplained} permits are"),
            }
        );
        let mut diagnosis = Diagnosis::new(Verdict::Unaccounted, Certainty::Likely, cause);
        diagnosis.help = vec![help.to_owned()];
        Some(diagnosis)
    }

    /// What a connect of our own showed, if it tells of this wait.
    fn probe(&self) -> Option<Probe> {
        let (pool, asked) = (&self.waiter.pool, self.waiter.asked());
        pool.probes.during(asked, pool.granted())
    }

    /// The handles that have their permits.
    fn held(&self) -> impl Iterator<Item = &Arc<Handle>> + Clone {
        self.claims.iter().filter(|claim| claim.is_held())
    }

    /// Permits granted while this one was waited for.
    fn granted(&self) -> u64 {
        self.waiter
            .pool
            .granted()
            .saturating_sub(self.waiter.granted_before())
    }

    /// Whether no permit is free; at any moment some are on their way from one holder to the next.
    fn is_full(&self) -> bool {
        let (pool, gauge) = (&self.waiter.pool, self.gauge);
        let known = pool.permits.taken();
        let in_use = u64::from(gauge.size().saturating_sub(gauge.idle()));
        known >= self.max() || (in_use >= self.max() && self.granted() > 0)
    }

    /// Somebody had a permit through all of this wait and did nothing with it.
    fn hoarder(&self) -> Option<Diagnosis> {
        if !self.is_full() {
            return None;
        }
        let quiet = |claim: &Handle| {
            let since = claim.quiet_since(self.now)?;
            Some(self.now.saturating_duration_since(since))
        };
        let idle: Vec<(&Arc<Handle>, Duration)> = self
            .held()
            .filter_map(|claim| Some((claim, quiet(claim)?)))
            .filter(|(_, quiet)| *quiet >= self.waited / 2)
            .collect();
        if (idle.len() as u64) * 2 < self.max() {
            return None;
        }
        let least = idle.iter().map(|(_, quiet)| *quiet).min()?;
        let (first, _) = *idle.first()?;
        let place = first.place;
        let same = idle
            .iter()
            .filter(|(claim, _)| claim.place.is_same(place))
            .count();
        let cause = format!(
            "{} of {} permits {} hands for {} or longer, {same} of them in {}",
            idle.len(),
            self.max(),
            if idle.len() == 1 {
                "lies idle in its holder's"
            } else {
                "lie idle in their holders'"
            },
            short(least),
            taker(place)
        );
        let certainty = if idle.len() as u64 == self.max() {
            Certainty::Certain
        } else {
            Certainty::Likely
        };
        let mut diagnosis = Diagnosis::new(Verdict::Hoarder, certainty, cause);
        diagnosis
            .facts
            .push(fact("idle holders", idle.len().to_string()));
        let taker = taker(place);
        diagnosis.help = vec![match first.look().activity {
            Activity::Streaming => format!(
                "read the rows in {taker} before the slow work: `let rows: Vec<_> = stream.try_collect().await?`"
            ),
            _ if first.scope().is_none() && place.function.is_some() => format!(
                "what {taker} took is kept: keep the pool in its place, and take a connection for each use"
            ),
            _ if first.transaction_depth() > 0 => {
                format!("end the transaction in {taker} before its slow work: `tx.commit().await?`")
            }
            _ => format!("give the connection back in {taker} before its slow work: `drop(conn)`"),
        }];
        Some(diagnosis)
    }

    /// Connections were in the hands of plain sqlx through much of this wait: what it did with them is not seen.
    fn lent(&self) -> Option<Diagnosis> {
        let lent: Vec<_> = self
            .held()
            .map(|claim| (claim, claim.look()))
            .filter(|(_, look)| look.activity == Activity::Lent)
            .map(|(claim, look)| (claim, self.now.saturating_duration_since(look.since)))
            .filter(|(_, time)| *time >= self.waited / 2)
            .collect();
        if (lent.len() as u64) * 2 < self.max() {
            return None;
        }
        let least = lent.iter().map(|(_, time)| *time).min()?;
        let taker = taker(lent.first()?.0.place);
        let what = if lent.len() == 1 {
            "is lent as a plain connection"
        } else {
            "are lent as plain connections"
        };
        let cause = format!(
            "{} of {} {what} for {} or longer, the first of them by {taker}: what is done there is not seen",
            lent.len(),
            count(self.max(), "permit"),
            short(least),
        );
        let mut diagnosis = Diagnosis::new(Verdict::Unknown, Certainty::Unknown, cause);
        diagnosis.help = vec![format!(
            "look at what {taker} waits for while it has the connection: if it is not the database, commit or `drop` it before"
        )];
        Some(diagnosis)
    }

    /// Every permit is used, and there are too few of them.
    fn capacity(&self) -> Option<Diagnosis> {
        if !self.is_full() {
            return None;
        }
        let waiting = self
            .claims
            .iter()
            .filter(|claim| claim.is_waiting())
            .count() as u64;
        let held = self.held().count() as u64;
        let counters = &self.waiter.pool.counters;
        let seconds = self.waited.as_secs_f64();
        // What was asked for in this wait: granted since, or still waiting.
        #[expect(clippy::cast_precision_loss, reason = "a rate, told with one decimal")]
        let per_second = (self.granted() + waiting) as f64 / seconds;
        let ages = self.held().map(|claim| claim.hold(self.now).total());
        let running =
            ages.clone().sum::<Duration>() / u32::try_from(held.max(1)).unwrap_or(u32::MAX);
        // Those that have ended tell how long a hold is; those that run, how long at least.
        let mean = counters.holds.read().mean().max(running);
        let needed = (per_second * mean.as_secs_f64()).ceil();
        let cause = format!(
            "every permit is in use: {per_second:.1} acquires per second × {} held on average = {needed:.0} connections needed, and there are {}",
            short(mean),
            self.max()
        );
        #[expect(clippy::cast_precision_loss, reason = "a pool's size")]
        let short_of = needed > self.max() as f64;
        let mut diagnosis = Diagnosis::new(
            Verdict::Capacity,
            if short_of {
                Certainty::Likely
            } else {
                Certainty::Unknown
            },
            cause,
        );
        diagnosis.facts = vec![
            fact("acquires per second", format!("{per_second:.1}")),
            fact("mean hold", short(mean)),
            fact("connections needed", format!("{needed:.0}")),
        ];
        let HoldStats {
            busy, idle, lent, ..
        } = counters.holds.read();
        let holds = Hold { busy, idle, lent };
        diagnosis.help = vec![
            format!(
                "make the holds shorter: of the time held so far, {}",
                holds.split()
            ),
            "look for the slowest statements of the holders: `leash::snapshot().sites`".to_owned(),
            "or ask for fewer at once: a queue or `tokio::sync::Semaphore` before the work"
                .to_owned(),
        ];
        Some(diagnosis)
    }

    fn unknown(&self) -> Diagnosis {
        let pool = &self.waiter.pool;
        let connects = pool.permits.taken() < self.max()
            && self
                .probe()
                .is_some_and(|probe| matches!(probe.outcome, Outcome::Connected));
        let (cause, help) = match pool.lent_at() {
            Some(place) => (
                "plain sqlx was given this pool, and what it takes is not seen",
                format!(
                    "look at what uses the pool that was given away at {}:{}",
                    place.file, place.line
                ),
            ),
            None if connects => (
                "permits are free and a connect of our own went well: what the acquire waits for is a connection of the pool that \
                 does not answer, or a hook",
                "look at the hooks (`after_connect`, `before_acquire`), and have idle connections end before something on the way to \
                 the server drops them without a word: `PoolOptions::idle_timeout`, `max_lifetime`"
                    .to_owned(),
            ),
            None => (
                "nothing that was seen explains it",
                "look at the server's own list of connections, and at what else the program waited for"
                    .to_owned(),
            ),
        };
        let mut diagnosis = Diagnosis::new(Verdict::Unknown, Certainty::Unknown, cause);
        diagnosis.help = vec![help];
        diagnosis
    }
}

/// A task that was woken is polled sooner than this, unless something blocks its runtime.
const STALL: Duration = Duration::from_millis(500);
