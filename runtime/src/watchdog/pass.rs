//! One look at everything that is alive.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use super::stuck::{Stuck, deadlocked};
use super::{CLOSELY, PerPool, SAMPLE, freeze};
use crate::config::{self, Rules};
use crate::handle::{self, Handle, Standing};
use crate::lint::{self, Lint, PressureSamples, Reaction, Unaccounted};
use crate::pool_state::{self, Gauge, closing::Closing};
use crate::site::Place;
use crate::snapshot::Activity;

/// What was found stuck is looked at again after this time.
const CONFIRMED_AFTER: Duration = Duration::from_millis(25);
/// A waiter is woken this often, to see how long its runtime takes to poll it.
const TIMED_EVERY: Duration = Duration::from_millis(500);
/// Shorter waits are left alone.
const TIMED_AFTER: Duration = Duration::from_millis(250);
/// After so long at most, a waiter is asked to find out why there is no connection.
const PROBED_AFTER: Duration = Duration::from_secs(1);

/// What is remembered from one look to the next.
#[derive(Default)]
pub(super) struct Watch {
    pools: PerPool<OfPool>,
    /// What was stuck at the last look.
    stuck: Vec<Stuck>,
    sampled: Option<Instant>,
    timed: Option<Instant>,
}

#[derive(Default)]
struct OfPool {
    pressure: PressureSamples,
    unaccounted: Unaccounted,
}

/// When to look again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// When a handle is asked for.
    WhenWoken,
    /// After this time; nobody waits for a permit.
    After(Duration),
    /// After this time; somebody waits.
    Closely(Duration),
}

impl Watch {
    /// Looks, tells what it finds, and says when to look again. Holds no lock while it tells.
    pub(super) fn pass(&mut self, now: Instant) -> Next {
        let rules = config::rules();
        let claims = handle::all();
        let pools = pool_state::all();
        let is_sample = self
            .sampled
            .is_none_or(|sampled| now.saturating_duration_since(sampled) + CLOSELY >= SAMPLE);
        let somebody_waits = claims.iter().any(|claim| claim.is_waiting());
        let mut closely = CLOSELY;
        if somebody_waits {
            if self.deadlocks(&rules, &claims) {
                closely = CONFIRMED_AFTER;
            }
            self.waiters(&rules, &claims, now);
        } else {
            self.stuck.clear();
        }
        let due = handles(&rules, &claims, now);
        for gauge in &pools {
            episode(&**gauge, now);
            closings(&rules, &**gauge, &claims, now);
        }
        if is_sample {
            self.sampled = Some(now);
            self.samples(&rules, &pools, &claims, now);
        }
        // However much there is to see, nine tenths of the time are the program's.
        let rest = now.elapsed() * 10;
        if somebody_waits {
            Next::Closely(closely.max(rest))
        } else if claims.is_empty() && !self.has_more_to_see(&pools) {
            // What was seen before is not consecutive with what will be.
            self.pools.clear();
            Next::WhenWoken
        } else {
            let due = due.map_or(SAMPLE, |due| due.saturating_duration_since(Instant::now()));
            let sooner = due.min(rules.least_time() / 2).clamp(CLOSELY, SAMPLE);
            Next::After(sooner.max(rest))
        }
    }

    /// What was found stuck twice in the same way was so in between as well. It is told once, and again when a holder has come
    /// to it. Gives whether a second look is due.
    fn deadlocks(&mut self, rules: &Rules, claims: &[Arc<Handle>]) -> bool {
        let mut is_unsure = false;
        let before = std::mem::take(&mut self.stuck);
        for stuck in deadlocked(claims) {
            let is_sure = before.iter().any(|earlier| earlier.is_like(&stuck));
            let is_told = stuck.holders().all(|held| held.look().told.stuck);
            if is_sure && !is_told {
                for held in stuck.holders() {
                    held.set_told(|told| told.stuck = true);
                }
                if let Reaction::Panic(message) = lint::pool_deadlock(rules, &stuck)
                    && let Some(last) = stuck.last()
                {
                    last.waiter.stop_waiting(message);
                }
            }
            is_unsure |= !is_sure && !is_told;
            self.stuck.push(stuck);
        }
        is_unsure
    }

    /// Those that have waited longest are timed, and asked to connect for themselves where no connection comes.
    fn waiters(&mut self, rules: &Rules, claims: &[Arc<Handle>], now: Instant) {
        let times = self
            .timed
            .is_none_or(|timed| now.saturating_duration_since(timed) >= TIMED_EVERY);
        let mut seen = FxHashSet::default();
        let oldest = claims
            .iter()
            .filter(|claim| claim.is_waiting() && seen.insert(claim.pool.id()));
        for waiter in oldest {
            let waited = waiter.has_waited(now);
            if times && waited >= TIMED_AFTER {
                self.timed = Some(now);
                waiter.time_next_poll(now);
            }
            let pool = &waiter.pool;
            let has_permits = pool.held() + pool.permits.returning.load(Relaxed)
                < u64::from(pool.limits.max_connections);
            if has_permits
                && waited >= PROBED_AFTER.min(pool.limits.acquire_timeout / 2)
                && pool.endpoint.system != "sqlite"
                && rules.may_probe()
                && pool_state::gauge(pool.id()).is_some_and(|gauge| gauge.idle() == 0)
                && pool.probes.begin(now)
            {
                waiter.ask_for_probe();
            }
        }
    }

    fn samples(
        &mut self,
        rules: &Rules,
        pools: &[Arc<dyn Gauge>],
        claims: &[Arc<Handle>],
        now: Instant,
    ) {
        let alive: FxHashSet<u64> = pools.iter().map(|gauge| gauge.state().id()).collect();
        self.pools.retain(|id, _| alive.contains(id));
        for gauge in pools {
            let of_pool = self.pools.entry(gauge.state().id()).or_default();
            let claims = || of(claims, gauge.state().id());
            lint::pool_pressure(rules, gauge.state(), claims, &mut of_pool.pressure);
            let unaccounted = &mut of_pool.unaccounted;
            lint::unaccounted_connections(
                rules,
                &**gauge,
                claims,
                unaccounted,
                now,
                freeze::thawed(),
            );
        }
    }

    /// Whether a pool that nobody uses is still to be looked at.
    fn has_more_to_see(&self, pools: &[Arc<dyn Gauge>]) -> bool {
        pools.iter().any(|gauge| {
            let state = gauge.state();
            let known = self.pools.get(&state.id());
            state.dry.is_on()
                || !state.closings.is_empty()
                || state.is_used()
                || known.is_some_and(|known| known.pressure.is_on() || known.unaccounted.is_on())
        })
    }
}

/// The claims on one pool.
fn of(claims: &[Arc<Handle>], pool: u64) -> Vec<Arc<Handle>> {
    claims
        .iter()
        .filter(|claim| claim.pool.id() == pool)
        .cloned()
        .collect()
}

/// How much of the time since then the process has lived through: when it stood still, nobody could do anything.
fn lived(now: Instant, since: Instant, thawed: Option<Instant>) -> Duration {
    let since = thawed.map_or(since, |thawed| since.max(thawed));
    now.saturating_duration_since(since)
}

/// Handles that are held for long, and statements that run for long. Gives when the next of them is due.
fn handles(rules: &Rules, claims: &[Arc<Handle>], now: Instant) -> Option<Instant> {
    let thawed = freeze::thawed();
    let lived = |since: Instant| lived(now, since, thawed);
    let (idle, too_long, slow) = (
        rules.least(Lint::HeldIdle),
        rules.least(Lint::HeldTooLong),
        rules.least(Lint::SlowQuery),
    );
    let mut next: Option<Instant> = None;
    // Whether so long a time may be over the limit; else it is due later.
    let mut is_due = |lint, least: Option<Duration>, place: Option<Place>, time: Duration| {
        let function = place.and_then(|place| place.function);
        let limit = function.and_then(|function| function.time_limit(lint));
        let Some(limit) = limit.or(least) else {
            return false;
        };
        if let Some(due) = limit.checked_sub(time).filter(|left| !left.is_zero()) {
            let due = now + due;
            next = Some(next.map_or(due, |next| next.min(due)));
            return false;
        }
        true
    };
    for handle in claims {
        let look = handle.look();
        let Standing::Held(held) = look.standing else {
            continue;
        };
        if handle.is_reserved() {
            continue;
        }
        if !look.told.idle
            && let Some(quiet) = handle.quiet_since(now).map(lived)
            && is_due(Lint::HeldIdle, idle, Some(handle.place), quiet)
        {
            lint::held_idle(rules, handle, look.since, quiet);
        }
        let held = lived(held);
        if !look.told.too_long && is_due(Lint::HeldTooLong, too_long, Some(handle.place), held) {
            lint::held_too_long(rules, handle, held);
        }
        if !look.told.slow
            && matches!(look.activity, Activity::Busy | Activity::Streaming)
            && let Some((tally, time)) = handle.running(thawed, now)
            && is_due(Lint::SlowQuery, slow, tally.place(), time)
        {
            lint::slow_query_running(rules, handle, &tally, look.since, time);
        }
    }
    next
}

/// An episode of timeouts ends when those who wait are served.
fn episode(gauge: &dyn Gauge, now: Instant) {
    let pool = gauge.state();
    if pool.dry.is_on()
        && let Some(episode) = pool
            .dry
            .end(pool.is_waited_for(), pool.limits.acquire_timeout, now)
    {
        lint::recovered(pool, &episode, now);
    }
}

fn closings(rules: &Rules, gauge: &dyn Gauge, claims: &[Arc<Handle>], now: Instant) {
    let pool = gauge.state();
    if pool.closings.is_empty() {
        return;
    }
    let (name, thawed) = (pool.name(), freeze::thawed());
    let is_due = |closing: &Closing| {
        let limit = rules.time(Lint::CloseBlocked, closing.place.function, Some(&name));
        limit.is_some_and(|limit| lived(now, closing.since, thawed) >= limit)
    };
    for closing in pool.closings.take_due(is_due) {
        lint::close_blocked(rules, pool, &closing, &of(claims, pool.id()), now);
    }
}
