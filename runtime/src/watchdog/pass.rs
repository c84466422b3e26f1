//! One pass over everything that is alive.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxBuildHasher, FxHashSet};

use super::holds::HoldLimits;
use super::pace::{CLOSELY, Next, SAMPLE, may_be_stuck};
use super::polls::Polls;
use crate::config::{self, Rules};
use crate::finding::Lint;
use crate::handle::{Handle, Standing, live};
use crate::lint::wait_for::{Deadlock, deadlocked};
use crate::lint::{self, PressureSamples, Reaction, Turnover, Unaccounted};
use crate::log;
use crate::measure::freeze;
use crate::measure::units::{count, short};
use crate::observe;
use crate::pool_state::closing::Closing;
use crate::pool_state::newcomers;
use crate::pool_state::registry::{self, ErasedPool};

/// A deadlock that one pass finds is confirmed by another one after this time.
const CONFIRMED_AFTER: Duration = Duration::from_millis(25);
/// The longest time between two passes while an acquire waits: a deadlock may form at any time.
const LONGEST_REST: Duration = Duration::from_millis(100);
/// How often a waiter is woken, to see how long its runtime takes to poll it.
const TIMED_EVERY: Duration = Duration::from_millis(500);
/// A waiter is woken only after this time.
const TIMED_AFTER: Duration = Duration::from_millis(250);
/// A waiter is asked to connect for itself after this time at the latest.
const PROBED_AFTER: Duration = Duration::from_secs(1);

/// What is remembered from one pass to the next.
#[derive(Default)]
pub(super) struct Watch {
    pools: HashMap<u64, OfPool, FxBuildHasher>,
    /// The deadlocks that the last pass found.
    deadlocks: Vec<Deadlock>,
    sampled: Option<Instant>,
    /// The largest number of waiting acquires since the last sample.
    most_waiting: usize,
    /// The last pass found no claim and no pool to look at.
    saw_nothing: bool,
    timed: Option<Instant>,
    polls: Polls,
    duplicates: lint::Reported,
}

#[derive(Default)]
struct OfPool {
    pressure: PressureSamples,
    unaccounted: Unaccounted,
    turnover: Turnover,
}

impl OfPool {
    /// Whether further samples are needed, also while no claim on the pool lives.
    fn is_on(&self) -> bool {
        self.pressure.is_on() || self.unaccounted.is_on() || self.turnover.is_on()
    }

    /// The samples before and after a pause are not consecutive. Those of a turnover have their time with them.
    fn pause(&mut self) {
        self.pressure = PressureSamples::default();
        self.unaccounted = Unaccounted::default();
    }
}

impl Watch {
    /// Looks at everything, reports what it finds, and returns when to look again. Holds no lock while it reports.
    pub(super) fn pass(&mut self, now: Instant) -> Next {
        let rules = config::rules();
        self.polls.look(now);
        let claims = live::all();
        let pools = registry::all();
        let is_sample = self
            .sampled
            .is_none_or(|sampled| now.saturating_duration_since(sampled) + CLOSELY >= SAMPLE);
        let (waiting, due) = look_at(&rules, &claims, now);
        let mut confirms = false;
        if waiting.is_empty() {
            self.deadlocks.clear();
        } else {
            confirms = self.deadlocks(&rules, &claims);
            self.waiters(&rules, &waiting, now);
        }
        for pool in &pools {
            episode(&**pool, &waiting, now);
            closings(&rules, &**pool, &claims, now);
        }
        if is_sample || waiting.len() > self.most_waiting {
            self.most_waiting = waiting.len();
            lint::note_demand(&claims);
        }
        let due = due.min(self.duplicates(&rules, &pools, now));
        if is_sample {
            self.sampled = Some(now);
            self.samples(&rules, &pools, &claims, now);
        }
        if confirms {
            self.saw_nothing = false;
            return Next::Closely(CONFIRMED_AFTER);
        }
        // However long a pass takes, the watchdog rests for nine times as long.
        let rest = now.elapsed() * 10;
        // A wait that has just begun may be a connection that is being checked: no reason to look closely.
        let is_long =
            |waiter: &&Arc<Handle>| may_be_stuck(&waiter.pool) || waiter.has_waited(now) >= CLOSELY;
        if waiting.iter().any(is_long) {
            self.saw_nothing = false;
            Next::Closely(rest.clamp(CLOSELY, LONGEST_REST))
        } else if claims.is_empty() && !self.has_more_to_see(&pools) {
            self.pools.values_mut().for_each(OfPool::pause);
            // Sleeps at the second such pass: a program that sends one query after the other need not ring each time.
            if std::mem::take(&mut self.saw_nothing) {
                Next::WhenWoken
            } else {
                self.saw_nothing = true;
                Next::After(SAMPLE)
            }
        } else {
            self.saw_nothing = false;
            let due = due.saturating_duration_since(Instant::now());
            let sooner = due
                .min(rules.least_time_of_all() / 2)
                .clamp(CLOSELY, SAMPLE);
            Next::After(sooner.max(rest.min(LONGEST_REST)))
        }
    }

    /// Forgets how long threads have been in their polls.
    pub(super) fn forget_polls(&mut self) {
        self.polls.forget();
    }

    /// Reports a deadlock that two consecutive passes see with the same holders and waiters: it then held in between, too.
    /// Reports it again only when a holder joins. Returns whether a confirming pass is due.
    fn deadlocks(&mut self, rules: &Rules, claims: &[Arc<Handle>]) -> bool {
        let mut is_unsure = false;
        let before = std::mem::take(&mut self.deadlocks);
        for deadlock in deadlocked(claims) {
            let is_sure = before.iter().any(|earlier| earlier.is_like(&deadlock));
            let is_reported = deadlock
                .holders()
                .all(|held| held.glance().reported.deadlock);
            if is_sure && !is_reported {
                for held in deadlock.holders() {
                    held.set_reported(|reported| reported.deadlock = true);
                }
                if let Reaction::Panic(message) = lint::pool_deadlock(rules, &deadlock)
                    && let Some(last) = deadlock.last()
                {
                    last.waiter.panic_waiter(message);
                }
            }
            is_unsure |= !is_sure && !is_reported;
            self.deadlocks.push(deadlock);
        }
        is_unsure
    }

    /// Wakes the oldest waiter of each pool to time its poll, and asks it to connect for itself where permits are free.
    fn waiters(&mut self, rules: &Rules, waiting: &[&Arc<Handle>], now: Instant) {
        let times = self
            .timed
            .is_none_or(|timed| now.saturating_duration_since(timed) >= TIMED_EVERY);
        let mut seen = FxHashSet::default();
        let oldest = waiting.iter().filter(|claim| seen.insert(claim.pool.id()));
        for waiter in oldest {
            let waited = waiter.has_waited(now);
            if times && waited >= TIMED_AFTER {
                self.timed = Some(now);
                waiter.time_next_poll(now);
            }
            let pool = &waiter.pool;
            let has_permits = pool.permits.taken() < u64::from(pool.limits.max_connections);
            if has_permits
                && waited >= PROBED_AFTER.min(pool.limits.acquire_timeout / 2)
                && !pool.endpoint.system.is_embedded()
                && rules.may_probe()
                && pool.probes.begin(now, pool.granted())
            {
                waiter.ask_for_probe();
            }
        }
    }

    /// Compares the pools that were made a moment ago with the others. Returns when the next one is due.
    fn duplicates(
        &mut self,
        rules: &Rules,
        pools: &[Arc<dyn ErasedPool>],
        now: Instant,
    ) -> Instant {
        let thawed = freeze::thawed();
        let due = newcomers::take_due(|it| thawed.lived(it.made, now) >= lint::COMPARED_AFTER);
        if !due.is_empty() {
            lint::duplicate_pool(rules, pools, &due, &mut self.duplicates, now);
        }
        newcomers::oldest().map_or(now + SAMPLE, |oldest| oldest + lint::COMPARED_AFTER)
    }

    fn samples(
        &mut self,
        rules: &Rules,
        pools: &[Arc<dyn ErasedPool>],
        claims: &[Arc<Handle>],
        now: Instant,
    ) {
        let alive: FxHashSet<u64> = pools.iter().map(|pool| pool.state().id()).collect();
        self.pools.retain(|id, _| alive.contains(id));
        for pool in pools {
            // Each look dates what was closed since the last one.
            if pool.connections().is_some() && observe::are_any() {
                observe::connections(pool.state());
            }
            let of_pool = self.pools.entry(pool.state().id()).or_default();
            let claims = || of(claims, pool.state().id());
            lint::pool_pressure(rules, pool.state(), claims, &mut of_pool.pressure);
            let unaccounted = &mut of_pool.unaccounted;
            lint::unaccounted_connections(rules, &**pool, claims, unaccounted, now);
            lint::connection_churn(rules, &**pool, &mut of_pool.turnover, now);
        }
    }

    /// Whether a pool must be looked at although no claim on it lives, or one is soon compared with the others. For an
    /// observer, one must while its connections may close.
    fn has_more_to_see(&self, pools: &[Arc<dyn ErasedPool>]) -> bool {
        newcomers::oldest().is_some()
            || pools.iter().any(|pool| {
                let state = pool.state();
                let known = self.pools.get(&state.id());
                state.episodes.is_on()
                    || !state.closings.is_empty()
                    || state.is_used()
                    || observe::are_any() && state.connections.may_have_news()
                    || known.is_some_and(OfPool::is_on)
            })
    }
}

/// Judges the handles that are held. Returns the claims that wait, and when the next hold is due.
fn look_at<'a>(
    rules: &Rules,
    claims: &'a [Arc<Handle>],
    now: Instant,
) -> (Vec<&'a Arc<Handle>>, Instant) {
    let mut waiting = Vec::new();
    let mut holds = HoldLimits::new(rules, claims, now);
    for handle in claims {
        let glance = handle.glance();
        match glance.standing {
            Standing::Waiting => waiting.push(handle),
            Standing::Held(since) if !handle.is_reserved() => holds.judge(handle, &glance, since),
            Standing::Held(_) | Standing::Returning(_) => {}
        }
    }
    (waiting, holds.next_due())
}

/// The claims on one pool.
fn of(claims: &[Arc<Handle>], pool: u64) -> Vec<Arc<Handle>> {
    claims
        .iter()
        .filter(|claim| claim.pool.id() == pool)
        .cloned()
        .collect()
}

/// Ends the pool's episode of timeouts once its waiters are served, or no acquire waits any more.
fn episode(pool: &dyn ErasedPool, waiting: &[&Arc<Handle>], now: Instant) {
    let pool = pool.state();
    if pool.episodes.is_on() {
        let oldest = waiting.iter().find(|claim| claim.pool.id() == pool.id());
        let asked = oldest.map(|claim| claim.asked());
        let (granted, timeout) = (pool.granted(), pool.limits.acquire_timeout);
        if let Some(episode) = pool.episodes.end(asked, granted, timeout, now) {
            pool.probes.forget();
            if episode.was_served(granted) {
                let timeouts = count(episode.timeouts, "timeout");
                let lasted = short(now.saturating_duration_since(episode.since));
                let how = format!("acquires are served again: {timeouts} in {lasted}");
                freeze::aside(|| log::pool_recovered(pool, &how));
            }
        }
    }
}

fn closings(rules: &Rules, pool: &dyn ErasedPool, claims: &[Arc<Handle>], now: Instant) {
    let pool = pool.state();
    if pool.closings.is_empty() {
        return;
    }
    let (name, thawed) = (pool.name(), freeze::thawed());
    let is_due = |closing: &Closing| {
        let limit = rules.time(Lint::CloseBlocked, closing.place.function, Some(&name));
        limit.is_some_and(|limit| thawed.lived(closing.since, now) >= limit)
    };
    for closing in pool.closings.take_due(is_due) {
        lint::close_blocked(rules, pool, closing, &of(claims, pool.id()), now);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;
    use crate::handle::asked::{Asked, Purpose};
    use crate::handle::held::{Held, Waiting};
    use crate::pool_state::PoolState;
    use crate::scope::context::{self, FrameKind};
    use crate::scope::origin::Origin;
    use crate::scope::{Scope, Watched};
    use crate::site::{TrackedFn, tally};
    use crate::snapshot::Activity;
    use crate::source::function::Function;
    use crate::source::options::Options;
    use crate::source::place::Place;

    const HANDLES: usize = 100_000;
    const WAITERS: usize = 10_000;
    const POOLS: usize = 10;

    static FUNCTION: TrackedFn = TrackedFn::new(Function::unseen(
        file!(),
        "at 1:1",
        &Options::NONE.named("test"),
    ));

    fn asked(pool: Arc<PoolState>) -> Asked {
        Asked {
            pool,
            origin: Origin::UnlessPolled(Place::UNKNOWN),
            purpose: Purpose::Connection,
            task: None,
            when: Instant::now(),
        }
    }

    /// Handles of full pools: one in ten belongs to a scope that waits, one in ten runs a statement, the others are idle.
    fn handles(pools: &[Arc<PoolState>], scopes: &[Arc<Scope>]) -> Vec<Held> {
        let tally = tally::without_site("SELECT 1");
        (0..HANDLES)
            .map(|number| {
                let pool = Arc::clone(&pools[number % POOLS]);
                let held = Held::at_once(asked(pool));
                match number % 10 {
                    0 => {
                        let scope = &scopes[number / 10];
                        scope.adopt(held.handle().id());
                        held.handle().hand_to(Some(Arc::clone(scope)), scope);
                    }
                    1 => {
                        held.handle().begin_statement(tally, Activity::Busy);
                    }
                    _ => {}
                }
                held
            })
            .collect()
    }

    fn waiters(pools: &[Arc<PoolState>], scopes: &[Arc<Scope>]) -> Vec<Waiting> {
        let waits = scopes.iter().enumerate().map(|(number, scope)| {
            let mut slot = Some(Arc::clone(scope));
            let kind = FrameKind::Carried;
            let _entered = context::enter(&FUNCTION, kind, &mut slot, Location::caller());
            Waiting::begin(asked(Arc::clone(&pools[number % POOLS])))
        });
        waits.collect()
    }

    /// Times are asserted in an optimised build only; elsewhere the numbers mean nothing.
    #[test]
    fn a_pass_over_a_hundred_thousand_handles_and_ten_thousand_waiters() {
        static PASSES: AtomicBool = AtomicBool::new(true);
        let permits = u32::try_from(HANDLES / POOLS).unwrap();
        let pools: Vec<_> = (0..POOLS).map(|_| PoolState::for_tests(permits)).collect();
        let scopes: Vec<_> = (0..WAITERS)
            .map(|_| Scope::of_test(&FUNCTION, None, Watched::default()))
            .collect();
        let held = handles(&pools, &scopes);
        let waiting = waiters(&pools, &scopes);
        let mut watch = Watch::default();
        let mut best = Duration::MAX;
        for _ in 0..30 {
            let now = Instant::now();
            assert!(matches!(watch.pass(now), Next::Closely(_)));
            best = best.min(now.elapsed());
        }

        // Meanwhile, another thread does what a query does: it takes a handle, uses it, releases it.
        let tally = tally::without_site("SELECT 1");
        let pool = Arc::clone(&pools[0]);
        let query = std::thread::spawn(move || {
            let mut times = Vec::new();
            while PASSES.load(Relaxed) {
                let begun = Instant::now();
                let held = Held::at_once(asked(Arc::clone(&pool)));
                held.handle().begin_statement(tally, Activity::Busy);
                held.handle().end_statement(
                    Some(tally),
                    Instant::now(),
                    Duration::ZERO,
                    false,
                    None,
                );
                drop(held);
                times.push(begun.elapsed());
            }
            times.sort_unstable();
            times
        });
        for _ in 0..20 {
            let _next = watch.pass(Instant::now());
        }
        PASSES.store(false, Relaxed);
        let times = query.join().unwrap();
        let at = |share: usize| times[(times.len() - 1) * share / 1000];
        println!(
            "a pass: {best:?}; {} queries meanwhile: p50 {:?}, p99 {:?}, p99.9 {:?}, the longest {:?}",
            times.len(),
            at(500),
            at(990),
            at(999),
            at(1000)
        );
        if !cfg!(debug_assertions) {
            assert!(best < Duration::from_millis(50), "{best:?}");
            // The longest time may be the scheduler's.
            assert!(at(999) < Duration::from_millis(1), "{:?}", at(999));
        }
        drop((held, waiting));
    }
}
