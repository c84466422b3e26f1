//! What the users of a pool need of it: over time, and at their worst moment.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use rustc_hash::{FxHashMap, FxHashSet};

use super::holdings::holdings;
use super::spent::{is_mostly_idle, shares, so_far};
use crate::finding::Fact;
use crate::handle::asked::Purpose;
use crate::handle::{Handle, live};
use crate::measure::units::{count, decimal, short};
use crate::pool_state::PoolState;
use crate::snapshot::DemandStats;

/// What was seen of a pool so far, for a task that has taken a second permit.
pub(super) struct Demand<'a> {
    pool: &'a PoolState,
    seen: DemandStats,
}

impl<'a> Demand<'a> {
    /// With what is alive now, and with `permits` held by the task that has taken `second`.
    pub(super) fn with(second: &'a Handle, permits: u64) -> Self {
        let pool = &*second.pool;
        let claims = live::all();
        let tasks = tasks_of(&claims, |of| of.id() == pool.id());
        let tasks = tasks.first().map_or(0, Tasks::number);
        pool.demand.note_tasks(tasks);
        pool.demand.note_nesting(permits);
        Self {
            pool,
            seen: so_far(pool, &claims, Instant::now()),
        }
    }

    /// The database of a test says nothing about the load of a program, and is left out.
    fn is_shown(&self) -> bool {
        !self.pool.endpoint.is_of_test()
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        if !self.is_shown() {
            return Vec::new();
        }
        let (seen, wait) = (&self.seen, self.pool.counters.waits.read());
        vec![
            Fact::new("tasks at once (Tn)", seen.tasks.to_string()),
            Fact::new("connections per task (Cm)", seen.per_task.to_string()),
            Fact::new(
                "minimum safe size Tn × (Cm − 1) + 1 =",
                seen.deadlock_free_size().to_string(),
            ),
            Fact::new("pool size", self.pool.limits.max_connections.to_string()),
            Fact::new("needed on average", decimal(seen.needed())),
            Fact::new("most held at once", seen.most_held.to_string()),
            Fact::new("time held", shares(seen)),
            Fact::new(
                "waits",
                format!("p50 {} p99 {}", short(wait.p50()), short(wait.p99())),
            ),
        ]
    }

    pub(super) fn note(&self) -> Option<String> {
        let seen = &self.seen;
        let tasks = count(seen.tasks, "task");
        let connections = count(seen.per_task, "connection");
        let (safe, max) = (seen.deadlock_free_size(), self.pool.limits.max_connections);
        let timeouts = self.pool.counters.timeouts.load(Relaxed);
        let note = if safe > u64::from(max) {
            format!(
                "with {tasks} at once, each holding up to {connections}, a pool of fewer than {safe} can deadlock; this one has {max}"
            )
        } else if timeouts > 0 {
            let acquires = count(timeouts, "acquire");
            format!(
                "{tasks} at once, each holding up to {connections}, need {safe} permits by this formula; but {acquires} of this pool \
                 timed out so far, so {}",
                if is_mostly_idle(seen) {
                    format!("shorter holds come first: {}", shares(seen))
                } else {
                    "more may be needed".to_owned()
                }
            )
        } else {
            format!(
                "so far {tasks} at once, each holding up to {connections}: {safe} permits are enough, and this pool has {max}"
            )
        };
        self.is_shown().then_some(note)
    }
}

/// Records how many tasks use each pool now, where there may be more than ever before.
pub(crate) fn note_demand(claims: &[Arc<Handle>]) {
    for tasks in tasks_of(claims, PoolState::may_have_more_tasks) {
        tasks.pool.demand.note_tasks(tasks.number());
    }
}

/// Records how many tasks use `pool`, of which more permits are held than ever before.
#[cold]
pub(super) fn note_tasks_at_peak(pool: &PoolState) {
    pool.demand.note_peak(pool.permits.most_held());
    let claims = live::all();
    for tasks in tasks_of(&claims, |of| of.id() == pool.id()) {
        pool.demand.note_tasks(tasks.number());
    }
}

/// Records how many permits the task of `waiter` needs at once: those that it holds, and the one that it waits for.
pub(super) fn note_nesting(waiter: &Handle) {
    if let Some(scope) = waiter.scope() {
        let held = holdings(waiter, &scope).len() as u64;
        waiter.pool.demand.note_nesting(held + 1);
    }
}

/// The tasks of one pool.
struct Tasks<'a> {
    pool: &'a PoolState,
    /// The scopes that claims belong to.
    scopes: FxHashSet<usize>,
    /// The scopes around them in the same task.
    around: FxHashSet<usize>,
    /// The tasks of claims without a scope.
    unscoped: FxHashSet<u64>,
}

impl<'a> Tasks<'a> {
    fn of(pool: &'a PoolState) -> Self {
        Self {
            pool,
            scopes: FxHashSet::default(),
            around: FxHashSet::default(),
            unscoped: FxHashSet::default(),
        }
    }

    /// A scope and those around it are one task. Branches of a `join!` hold and wait beside each other, as tasks do.
    fn number(&self) -> u64 {
        let innermost = self.scopes.difference(&self.around).count();
        (innermost + self.unscoped.len()) as u64
    }
}

/// For each of these pools, the tasks that hold permits of it or wait for them.
///
/// A task that only sends single statements to the pool is left out: it holds nothing while it waits.
fn tasks_of(claims: &[Arc<Handle>], of: impl Fn(&PoolState) -> bool) -> Vec<Tasks<'_>> {
    let mut pools: FxHashMap<u64, Tasks<'_>> = FxHashMap::default();
    let counts = |claim: &&Arc<Handle>| {
        claim.purpose != Purpose::Statement && !claim.is_reserved() && claim.is_alive()
    };
    let of_pools = claims.iter().filter(|claim| of(&claim.pool)).filter(counts);
    // A handle without a scope is of the task whose function runs now, if one does.
    let mut rooted = FxHashSet::default();
    let mut unscoped = Vec::new();
    for claim in of_pools {
        let tasks = pools.entry(claim.pool.id());
        let tasks = tasks.or_insert_with(|| Tasks::of(&claim.pool));
        let scope = claim.scope().filter(|scope| !scope.is_test());
        match scope.filter(|_| claim.left_in().is_none()) {
            Some(scope) => {
                let chain = scope.chain_of_task();
                let mut addresses = chain.map(|it| std::ptr::from_ref(it).addr());
                tasks.scopes.extend(addresses.next());
                tasks.around.extend(addresses);
                rooted.extend(claim.task());
            }
            None => unscoped.push(claim),
        }
    }
    for claim in unscoped {
        if let Some(task) = claim.left_in().or(claim.task())
            && !rooted.contains(&task)
            && let Some(tasks) = pools.get_mut(&claim.pool.id())
        {
            tasks.unscoped.insert(task);
        }
    }
    pools.into_values().collect()
}
