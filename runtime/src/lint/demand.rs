//! What the tasks of a pool were seen to need at their worst moment, and the size at which the pool is free of deadlock.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustc_hash::{FxHashMap, FxHashSet};

use super::holdings::holdings;
use crate::finding::Fact;
use crate::handle::asked::Purpose;
use crate::handle::{Handle, live};
use crate::measure::units::count;
use crate::pool_state::PoolState;

/// The largest numbers seen so far.
pub(super) struct Demand<'a> {
    pool: &'a PoolState,
    /// Tasks that held or waited for permits at once.
    tasks: u64,
    /// Permits that one task needed at once.
    nesting: u64,
}

impl<'a> Demand<'a> {
    /// With what is alive now, and with `permits` held by the task that has taken `second`.
    pub(super) fn with(second: &'a Handle, permits: u64) -> Self {
        let pool = &*second.pool;
        let claims = live::all();
        let tasks = tasks_of(&claims, |of| of.id() == pool.id())
            .remove(&pool.id())
            .map_or(0, |(_, tasks)| tasks.len());
        Self {
            pool,
            tasks: pool.note_tasks(tasks as u64),
            nesting: pool.note_nesting(permits),
        }
    }

    /// The size with which one task can always go on.
    fn safe(&self) -> u64 {
        self.tasks * (self.nesting - 1) + 1
    }

    /// The database of a test says nothing about the load of a program, and is left out.
    fn is_shown(&self) -> bool {
        !self.pool.endpoint.is_of_test()
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        if !self.is_shown() {
            return Vec::new();
        }
        vec![
            Fact::new("tasks at once (Tn)", self.tasks.to_string()),
            Fact::new("connections per task (Cm)", self.nesting.to_string()),
            Fact::new(
                "minimum safe size Tn × (Cm − 1) + 1 =",
                self.safe().to_string(),
            ),
            Fact::new("pool size", self.pool.limits.max_connections.to_string()),
        ]
    }

    pub(super) fn note(&self) -> Option<String> {
        let tasks = count(self.tasks, "task");
        let connections = count(self.nesting, "connection");
        let (safe, max) = (self.safe(), self.pool.limits.max_connections);
        let timeouts = self.pool.counters.timeouts.load(Relaxed);
        let note = if safe > u64::from(max) {
            format!(
                "with {tasks} at once, each holding up to {connections}, a pool of fewer than {safe} can deadlock; this one has {max}"
            )
        } else if timeouts > 0 {
            let acquires = count(timeouts, "acquire");
            format!(
                "{tasks} at once, each holding up to {connections}, need {safe} permits by this formula; but {acquires} of this pool \
                 timed out so far, so more may be needed"
            )
        } else {
            format!(
                "so far {tasks} at once, each holding up to {connections}: {safe} permits are enough, and this pool has {max}"
            )
        };
        self.is_shown().then_some(note)
    }
}

/// Records how many tasks use each pool that is short of permits now.
pub(crate) fn note_demand(claims: &[Arc<Handle>]) {
    for (pool, tasks) in tasks_of(claims, PoolState::may_be_short).into_values() {
        pool.note_tasks(tasks.len() as u64);
    }
}

/// Records how many permits the task of `waiter` needs at once: those that it holds, and the one that it waits for.
pub(super) fn note_nesting(waiter: &Handle) {
    if let Some(scope) = waiter.scope() {
        let held = holdings(waiter, &scope).len() as u64;
        waiter.pool.note_nesting(held + 1);
    }
}

/// For each of these pools, the tasks that hold permits of it or wait for them.
///
/// A task that only sends single statements to the pool is left out: it holds nothing while it waits.
fn tasks_of(claims: &[Arc<Handle>], of: impl Fn(&PoolState) -> bool) -> Tasks<'_> {
    let mut pools = Tasks::default();
    let counts = |claim: &&Arc<Handle>| {
        claim.purpose != Purpose::Statement && !claim.is_reserved() && claim.is_alive()
    };
    let of_pools = claims.iter().filter(|claim| of(&claim.pool)).filter(counts);
    // A handle that left a root scope, and the function that its task runs now, are of one task.
    let scoped = of_pools.clone().filter(|claim| claim.left_in().is_none());
    let rooted: FxHashSet<_> = scoped.filter_map(|claim| claim.task()).collect();
    for claim in of_pools {
        if !claim.left_in().is_some_and(|task| rooted.contains(&task))
            && let Some(task) = task_of(claim)
        {
            let pool = pools.entry(claim.pool.id());
            pool.or_insert_with(|| (&*claim.pool, FxHashSet::default()))
                .1
                .insert(task);
        }
    }
    pools
}

/// Pools by id, each with its tasks.
type Tasks<'a> = FxHashMap<u64, (&'a PoolState, FxHashSet<usize>)>;

/// Stands for the task of a claim: its outermost function; without one, the address of its waker.
fn task_of(claim: &Handle) -> Option<usize> {
    let outermost = claim.scope().and_then(|scope| {
        let functions = scope.chain_of_task().filter(|scope| !scope.is_test());
        functions.last().map(|root| std::ptr::from_ref(root).addr())
    });
    outermost.or_else(|| claim.task().and_then(|task| usize::try_from(task).ok()))
}
