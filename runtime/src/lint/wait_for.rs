//! The wait-for graph: pools whose every permit is held by a scope that waits for a permit of such a pool.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::finding::Certainty;
use crate::handle::Handle;
use crate::scope::Scope;
use crate::snapshot::Activity;
use crate::source::function::Function;

/// Pools that wait for each other, or for themselves.
#[derive(Clone, Debug)]
pub(crate) struct Stuck {
    /// What is held, oldest first.
    pub(crate) edges: Vec<Edge>,
    /// What its holders wait for, each once, oldest first.
    pub(crate) waiters: Vec<Arc<Handle>>,
    pub(crate) certainty: Certainty,
    /// Why it is no more than likely.
    pub(crate) doubt: Option<&'static str>,
}

/// A permit that is not given back before another is there.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) holder: Arc<Handle>,
    pub(crate) waiter: Arc<Handle>,
}

impl Edge {
    /// The functions between the holder's and the waiter's, outermost first.
    pub(crate) fn between(&self) -> Vec<&'static Function> {
        let (Some(owner), Some(scope)) = (self.holder.scope(), self.waiter.scope()) else {
            return Vec::new();
        };
        let mut between: Vec<_> = scope
            .chain_of_task()
            .take_while(|around| !std::ptr::eq(*around, &raw const *owner))
            .skip(1)
            .map(Scope::function)
            .collect();
        between.reverse();
        between
    }
}

impl Stuck {
    pub(crate) fn holders(&self) -> impl Iterator<Item = &Arc<Handle>> {
        self.edges.iter().map(|edge| &edge.holder)
    }

    /// The one whose holder came to wait last: by this it became what it is.
    pub(crate) fn last(&self) -> Option<&Edge> {
        self.edges.iter().max_by_key(|edge| edge.waiter.id())
    }

    /// Whether a permit of this pool is among them.
    pub(crate) fn concerns(&self, pool: u64) -> bool {
        self.holders().any(|held| held.pool.id() == pool)
    }

    /// The same claims in the same roles: what was so in between as well, because a claim waits once and is held once.
    pub(crate) fn is_like(&self, other: &Stuck) -> bool {
        let ids = |stuck: &Stuck| -> Vec<_> {
            let edges = stuck.edges.iter();
            edges
                .map(|edge| (edge.holder.id(), edge.waiter.id()))
                .collect()
        };
        ids(self) == ids(other)
    }
}

/// For each pool, its holders and what each waits for.
type Blocked<'a> = FxHashMap<u64, Vec<(&'a Arc<Handle>, &'a Arc<Handle>)>>;

/// The address of a scope, to tell scopes apart.
type ScopeId = usize;

fn id(scope: &Scope) -> ScopeId {
    std::ptr::from_ref(scope).addr()
}

/// Everything that is stuck among these claims. Pools that wait for each other come as one.
pub(crate) fn deadlocked(claims: &[Arc<Handle>]) -> Vec<Stuck> {
    let mut held: FxHashMap<u64, Vec<&Arc<Handle>>> = FxHashMap::default();
    let mut waiting: Vec<(&Arc<Handle>, Arc<Scope>)> = Vec::new();
    for claim in claims {
        if claim.is_waiting() {
            if let Some(scope) = claim.scope() {
                waiting.push((claim, scope));
            }
        } else if claim.is_held() {
            held.entry(claim.pool.id()).or_default().push(claim);
        }
    }
    // Only pools of which every permit is in a known hand can be stuck.
    held.retain(|_, holders| {
        holders.first().is_some_and(|first| {
            holders.len() as u64 >= u64::from(first.pool.limits.max_connections)
        })
    });
    waiting.retain(|(claim, _)| held.contains_key(&claim.pool.id()));
    if waiting.is_empty() {
        return Vec::new();
    }

    // Which claim a scope, or one further in of the same task, waits for.
    let mut waits: FxHashMap<ScopeId, Vec<&Arc<Handle>>> = FxHashMap::default();
    for (claim, scope) in &waiting {
        for around in scope.chain_of_task() {
            waits.entry(id(around)).or_default().push(claim);
        }
    }
    // From all that may be stuck, take away what can go on, until nothing is left to take away.
    let mut edges = Blocked::default();
    loop {
        edges.clear();
        let free = held.iter().find_map(|(pool, holders)| {
            let mut blocked = Vec::new();
            for holder in holders {
                match blocker(holder, &waits, &held) {
                    Some(waiter) => blocked.push((*holder, waiter)),
                    None => return Some(*pool),
                }
            }
            edges.insert(*pool, blocked);
            None
        });
        match free {
            Some(pool) => held.remove(&pool),
            None => break,
        };
    }
    group(&edges)
}

/// What keeps a holder from ever giving its permit back: a claim on a pool that may be stuck.
fn blocker<'a>(
    holder: &Arc<Handle>,
    waits: &FxHashMap<ScopeId, Vec<&'a Arc<Handle>>>,
    held: &FxHashMap<u64, Vec<&Arc<Handle>>>,
) -> Option<&'a Arc<Handle>> {
    let activity = holder.glance().activity;
    let is_lent = activity == Activity::Lent;
    // A statement that runs will end.
    if !is_lent && activity != Activity::Idle && !holder.is_stream_left_standing() {
        return None;
    }
    let scope = holder.scope()?;
    let claims = waits.get(&id(&scope))?;
    let mut claims = claims
        .iter()
        .filter(|claim| held.contains_key(&claim.pool.id()));
    claims
        .find(|claim| {
            let inner = claim.scope();
            inner.is_some_and(|inner| holder.is_held_for(claim, &inner).is_some())
                // What plain sqlx does with it is not seen, unless nothing can be done before the wait is over.
                && !(is_lent && leaves_a_way_out(holder, claim).is_some())
        })
        .copied()
}

/// Pools whose edges lead into each other belong together.
fn group(edges: &Blocked<'_>) -> Vec<Stuck> {
    let mut pools: Vec<u64> = edges.keys().copied().collect();
    pools.sort_unstable();
    let mut seen = FxHashSet::default();
    let mut groups = Vec::new();
    for pool in pools {
        let (mut todo, mut together) = (vec![pool], Vec::new());
        while let Some(pool) = todo.pop() {
            if !seen.insert(pool) {
                continue;
            }
            for (holder, waiter) in &edges[&pool] {
                together.push((*holder, *waiter));
                todo.push(waiter.pool.id());
            }
            // The other direction, too: who waits for this pool.
            let into = edges
                .iter()
                .filter(|(_, blocked)| blocked.iter().any(|(_, waiter)| waiter.pool.id() == pool));
            todo.extend(into.map(|(other, _)| *other));
        }
        if !together.is_empty() {
            groups.push(stuck(together));
        }
    }
    groups
}

fn stuck(mut edges: Vec<(&Arc<Handle>, &Arc<Handle>)>) -> Stuck {
    edges.sort_unstable_by_key(|(holder, _)| holder.id());
    let doubt = edges
        .iter()
        .find_map(|(holder, waiter)| doubt(holder, waiter));
    let mut waiters: Vec<_> = edges.iter().map(|(_, waiter)| Arc::clone(waiter)).collect();
    waiters.sort_unstable_by_key(|waiter| waiter.id());
    waiters.dedup_by_key(|waiter| waiter.id());
    Stuck {
        edges: edges
            .iter()
            .map(|(holder, waiter)| Edge {
                holder: Arc::clone(holder),
                waiter: Arc::clone(waiter),
            })
            .collect(),
        waiters,
        certainty: if doubt.is_some() {
            Certainty::Likely
        } else {
            Certainty::Certain
        },
        doubt,
    }
}

/// Why a holder might give its permit back although one of its scopes waits.
fn doubt(holder: &Handle, waiter: &Handle) -> Option<&'static str> {
    match holder.glance().activity {
        Activity::Idle => leaves_a_way_out(holder, waiter),
        Activity::Lent => Some("a connection among them is lent to plain sqlx"),
        Activity::Busy | Activity::Streaming => {
            Some("a row stream among them may be read by other code")
        }
    }
}

/// How the source lets a holder go on while one of its scopes waits.
fn leaves_a_way_out(holder: &Handle, waiter: &Handle) -> Option<&'static str> {
    let Some(site) = holder.site else {
        return Some("a permit among them was taken in code without `#[track]`");
    };
    if !site.stays() || !holder.handed_up_by().is_empty() {
        return Some("a handle among them was passed on, and may be released elsewhere");
    }
    let (Some(owner), Some(scope)) = (holder.scope(), waiter.scope()) else {
        return Some("a scope among them has ended");
    };
    if waiter.site.is_none() {
        return Some("an acquire among them waits in code without `#[track]`");
    }
    // From the acquire outwards, each function must await the next one itself.
    let mut awaited_at = waiter.awaited_at;
    for around in scope.chain_of_task() {
        let function = around.function();
        if !function.is_straight() {
            return Some("a function among them runs several things at once");
        }
        if !awaited_at.is_some_and(|place| function.contains(place)) {
            return Some("one of the waits is not awaited directly, and may be cancelled");
        }
        if std::ptr::eq(around, &raw const *owner) {
            return None;
        }
        awaited_at = Some(around.polled_at());
    }
    Some("a scope among them has ended")
}
