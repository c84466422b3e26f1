//! The wait-for graph: pools whose every permit is held by a scope that waits for a permit of such a pool.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::finding::Certainty;
use crate::handle::Handle;
use crate::scope::{Outwards, Scope};
use crate::snapshot::Activity;

/// Pools whose holders wait for each other, or for themselves.
#[derive(Clone, Debug)]
pub(crate) struct Deadlock {
    /// One edge for each permit, by the age of the holder, oldest first.
    pub(crate) edges: Vec<Edge>,
    /// The claims that the holders wait for, each once, oldest first.
    pub(crate) waiters: Vec<Arc<Handle>>,
    pub(crate) certainty: Certainty,
    /// The reason why it is only likely.
    pub(crate) doubt: Option<Cow<'static, str>>,
}

/// A permit whose holder releases it only after another permit is granted.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) holder: Arc<Handle>,
    pub(crate) waiter: Arc<Handle>,
}

impl Deadlock {
    pub(crate) fn holders(&self) -> impl Iterator<Item = &Arc<Handle>> {
        self.edges.iter().map(|edge| &edge.holder)
    }

    /// The edge whose waiter came last, and so completed the deadlock.
    pub(crate) fn last(&self) -> Option<&Edge> {
        self.edges.iter().max_by_key(|edge| edge.waiter.id())
    }

    /// Whether a permit of this pool is part of the deadlock.
    pub(crate) fn concerns(&self, pool: u64) -> bool {
        self.holders().any(|held| held.pool.id() == pool)
    }

    /// Whether both have the same claims in the same roles. A claim waits once and is held once, so what two passes see was
    /// so in between as well.
    pub(crate) fn is_like(&self, other: &Deadlock) -> bool {
        let ids = |deadlock: &Deadlock| -> Vec<_> {
            let edges = deadlock.edges.iter();
            edges
                .map(|edge| (edge.holder.id(), edge.waiter.id()))
                .collect()
        };
        ids(self) == ids(other)
    }
}

/// For each pool, its holders, each with the claim that it waits for.
type Blocked<'a> = FxHashMap<u64, Vec<(&'a Arc<Handle>, &'a Arc<Handle>)>>;

/// The address of a scope: its identity.
type ScopeId = usize;

fn id(scope: &Scope) -> ScopeId {
    std::ptr::from_ref(scope).addr()
}

/// All deadlocks among these claims. Pools whose holders wait for each other are one deadlock.
pub(crate) fn deadlocked(claims: &[Arc<Handle>]) -> Vec<Deadlock> {
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
    // A pool can be deadlocked only if a known handle holds each of its permits.
    held.retain(|_, holders| {
        holders.first().is_some_and(|first| {
            holders.len() as u64 >= u64::from(first.pool.limits.max_connections)
        })
    });
    waiting.retain(|(claim, _)| held.contains_key(&claim.pool.id()));
    if waiting.is_empty() {
        return Vec::new();
    }

    // For each scope, the claims that it waits for, or a scope further in for which it waits.
    let mut waits: FxHashMap<ScopeId, Vec<&Arc<Handle>>> = FxHashMap::default();
    for (claim, scope) in &waiting {
        for around in scope.outwards() {
            waits.entry(id(around.scope)).or_default().push(claim);
        }
    }
    // Removes a pool that has a holder that can continue, until no such pool is left.
    let mut edges = Blocked::default();
    loop {
        edges.clear();
        let free = held.iter().find_map(|(pool, holders)| {
            let mut blocked = Vec::new();
            for holder in holders {
                match blocker(holder, &waits, &waiting, &held) {
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

/// The claim that keeps a holder from releasing its permit, if that claim is on a pool that may be deadlocked.
fn blocker<'a>(
    holder: &Arc<Handle>,
    waits: &FxHashMap<ScopeId, Vec<&'a Arc<Handle>>>,
    waiting: &[(&'a Arc<Handle>, Arc<Scope>)],
    held: &FxHashMap<u64, Vec<&Arc<Handle>>>,
) -> Option<&'a Arc<Handle>> {
    let activity = holder.glance().activity;
    let is_lent = activity == Activity::Lent;
    // A running statement ends by itself.
    if !is_lent && activity != Activity::Idle && !holder.is_stream_left_standing() {
        return None;
    }
    if let Some(task) = holder.left_in() {
        let mut of_task = waiting.iter().map(|(claim, _)| *claim);
        let claim = of_task.find(|claim| {
            claim.task() == Some(task)
                && held.contains_key(&claim.pool.id())
                && holder.is_in_task_of(claim)
        });
        if claim.is_some() {
            return claim;
        }
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
                // Code that is not seen may use and release a lent connection, unless the source leaves it no way.
                && !(is_lent && leaves_a_way_out(holder, claim).is_some())
        })
        .copied()
}

/// Joins the pools whose edges lead into each other.
fn group(edges: &Blocked<'_>) -> Vec<Deadlock> {
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
            // Against the edges, too: the pools whose holders wait for this one.
            let into = edges
                .iter()
                .filter(|(_, blocked)| blocked.iter().any(|(_, waiter)| waiter.pool.id() == pool));
            todo.extend(into.map(|(other, _)| *other));
        }
        if !together.is_empty() {
            groups.push(deadlock(together));
        }
    }
    groups
}

fn deadlock(mut edges: Vec<(&Arc<Handle>, &Arc<Handle>)>) -> Deadlock {
    edges.sort_unstable_by_key(|(holder, _)| holder.id());
    let doubt = edges
        .iter()
        .find_map(|(holder, waiter)| doubt(holder, waiter));
    let mut waiters: Vec<_> = edges.iter().map(|(_, waiter)| Arc::clone(waiter)).collect();
    waiters.sort_unstable_by_key(|waiter| waiter.id());
    waiters.dedup_by_key(|waiter| waiter.id());
    Deadlock {
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

/// The reason why a holder might release its permit although one of its scopes waits.
fn doubt(holder: &Handle, waiter: &Handle) -> Option<Cow<'static, str>> {
    match holder.glance().activity {
        Activity::Idle => leaves_a_way_out(holder, waiter),
        Activity::Lent => Some("a connection among them was lent to plain sqlx".into()),
        Activity::Busy | Activity::Streaming => {
            Some("a row stream among them may be read by other code".into())
        }
    }
}

/// How the source allows a holder to continue while one of its scopes waits, if it does.
fn leaves_a_way_out(holder: &Handle, waiter: &Handle) -> Option<Cow<'static, str>> {
    let Some(site) = holder.site else {
        return Some("a permit among them was taken in code without `#[track]`".into());
    };
    let taker = || site.function().name();
    if let Some(at) = holder.handed_up_at() {
        let (taker, file, line) = (taker(), at.file(), at.line());
        return Some(
            format!("{taker} returned its handle to {file}:{line}, where it may be passed on")
                .into(),
        );
    }
    if !site.stays() {
        return Some(
            format!(
                "{} may pass its handle on, to be released elsewhere",
                taker()
            )
            .into(),
        );
    }
    way_to(holder, waiter).map(Cow::Borrowed)
}

/// How the functions from the handle to the acquire allow the holder to continue, if they do.
fn way_to(holder: &Handle, waiter: &Handle) -> Option<&'static str> {
    let (Some(owner), Some(scope)) = (holder.scope(), waiter.scope()) else {
        return Some("a scope among them has ended");
    };
    if waiter.site.is_none() {
        return Some("an acquire among them waits in code without `#[track]`");
    }
    // From the acquire outwards, each function must await the next one itself.
    let mut awaited_at = waiter.awaited_at;
    for Outwards { scope: around, .. } in scope.outwards() {
        let is_owner = std::ptr::eq(around, &raw const *owner);
        if around.is_branch() && !is_owner {
            return Some("an acquire among them waits in another task, which its holder awaits");
        }
        let function = around.function();
        if !function.is_straight() {
            return Some("a function among them runs several things at once");
        }
        if !awaited_at.is_some_and(|place| function.contains(place)) {
            return Some("one of the waits is not awaited directly, and may be cancelled");
        }
        if is_owner {
            return None;
        }
        awaited_at = Some(around.polled_at());
    }
    Some("a scope among them has ended")
}
