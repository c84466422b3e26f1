//! One call site keeps many pools on one database.
//!
//! Pools are compared as they are now: they get their names after they were made, and their connect options can be replaced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use super::Reaction;
use super::describe::{closing_notes, taker};
use super::emit::{Audience, Log};
use super::judge::judge;
use crate::config::Rules;
use crate::finding::{Fact, Finding, Level, Lint, Numbers};
use crate::measure::units::{count, short};
use crate::pool_state::PoolState;
use crate::pool_state::endpoint::Limits;
use crate::pool_state::newcomers::Newcomer;
use crate::pool_state::registry::ErasedPool;
use crate::source::function::Function;
use crate::source::place::Place;

/// A pool is compared with the others after this time. By then it has its name, and the pool that it replaces is closed.
pub(crate) const COMPARED_AFTER: Duration = Duration::from_millis(200);

/// The pools of the groups that were reported, while they live.
#[derive(Debug, Default)]
pub(crate) struct Reported(FxHashSet<u64>);

/// What pools have in common that could be one pool.
#[derive(PartialEq, Eq, Hash)]
struct Common {
    place: (&'static str, u32, u32),
    name: Arc<str>,
    identity: u64,
    limits: Limits,
    /// Threads with different names, such as those of tests, may each have a runtime of their own, and need a pool for each.
    thread: u64,
}

/// Pools that could be one pool, in the order in which they were made.
type Group<'a> = Vec<&'a dyn ErasedPool>;

/// Judges the groups of which a pool is among `newcomers`. `pools` is every pool that is alive.
///
/// A group is reported again only after most of the pools that were reported are gone.
pub(crate) fn duplicate_pool(
    rules: &Rules,
    pools: &[Arc<dyn ErasedPool>],
    newcomers: &[Newcomer],
    reported: &mut Reported,
    now: Instant,
) {
    let alive: FxHashSet<u64> = pools.iter().map(|pool| pool.state().id()).collect();
    reported.0.retain(|id| alive.contains(id));
    for group in groups(rules, pools) {
        let Some((limit, level)) = broken_limit(rules, &group, now) else {
            continue;
        };
        let ids: Vec<u64> = group.iter().map(|pool| pool.state().id()).collect();
        let known = ids.iter().filter(|id| reported.0.contains(id)).count();
        if known <= limit {
            let Some(newcomer) = newcomers.iter().rfind(|it| ids.contains(&it.pool)) else {
                continue;
            };
            report(&group, limit, level, newcomer);
        }
        reported.0.extend(&ids);
    }
}

/// The pools that could be one, together. A pool whose making is allowed to repeat is in no group.
fn groups<'a>(rules: &Rules, pools: &'a [Arc<dyn ErasedPool>]) -> Vec<Group<'a>> {
    let mut at_place: FxHashMap<_, u32> = FxHashMap::default();
    for pool in pools {
        *at_place
            .entry(position(pool.state().connected))
            .or_default() += 1;
    }
    let mut groups: FxHashMap<Common, Group<'a>> = FxHashMap::default();
    for pool in pools {
        // Most pools are the only one of their place.
        if at_place[&position(pool.state().connected)] > 1
            && let Some(common) = common(rules, &**pool)
        {
            groups.entry(common).or_default().push(&**pool);
        }
    }
    groups.into_values().collect()
}

fn common(rules: &Rules, pool: &dyn ErasedPool) -> Option<Common> {
    let state = pool.state();
    let place = state.connected;
    if pool.is_closed() || place.is_unknown() {
        return None;
    }
    let name = state.name();
    judge(rules, Lint::DuplicatePool, place.function, Some(&name))?;
    Some(Common {
        place: position(place),
        name,
        identity: pool.identity()?,
        limits: state.limits,
        thread: state.thread,
    })
}

fn position(place: Place) -> (&'static str, u32, u32) {
    (place.file, place.line, place.column)
}

/// The limit that the group is above, and the level, both as its last pool has them. Pools that may be closed soon do not count.
fn broken_limit(rules: &Rules, group: &Group<'_>, now: Instant) -> Option<(usize, Level)> {
    let last = group.last()?.state();
    let (function, name) = (last.connected.function, last.name());
    let limit = rules.count(Lint::DuplicatePool, function, Some(&name))?;
    let limit = usize::try_from(limit).ok()?;
    let is_settled = |made| now.saturating_duration_since(made) >= COMPARED_AFTER;
    let settled = group.iter().filter(|pool| is_settled(pool.state().made));
    if settled.count() <= limit {
        return None;
    }
    let level = judge(rules, Lint::DuplicatePool, function, Some(&name))?;
    Some((limit, level))
}

fn report(group: &Group<'_>, limit: usize, level: Level, newcomer: &Newcomer) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return;
    };
    let (first, last) = (first.state(), last.state());
    let function = common_function(group);
    let maker = taker(Place {
        function,
        ..last.connected
    });
    let (name, number, max) = (last.name(), group.len() as u64, last.limits.max_connections);
    let finding = Finding::of(Lint::DuplicatePool, level, last.connected)
        .at_fault(function.map(Function::name))
        .title(format!(
            "{maker} has made {} {name} that are all alive; the limit is {limit}",
            count(number, "pool")
        ))
        .label("connected here")
        .pool(&name)
        .certain(format!(
            "each pool opens connections of its own: together these may open {} to {}, {max} each",
            number * u64::from(max),
            last.endpoint
        ))
        .numbers(Numbers {
            count: Some(number),
            limit: Some(limit as u64),
            max_connections: Some(max),
            ..Numbers::default()
        })
        .facts(facts(group, first, last))
        .helps(helps(last.endpoint.connection))
        .note("pools that must be apart, such as one for each runtime, are told apart by their names: `pool.named(\"…\")`")
        .notes(closing_notes(Lint::DuplicatePool, function, Some(last)));
    let collector = newcomer.scope.as_ref().and_then(|it| it.collector());
    let _: Reaction = finding.report(Audience {
        span: &newcomer.span,
        collector: collector.cloned(),
        scope: newcomer.scope.clone(),
        may_panic: false,
        log: Log::PerCause,
    });
}

/// The function that has made every pool of the group. A helper without the attribute makes them in those that call it.
fn common_function(group: &Group<'_>) -> Option<&'static Function> {
    let mut functions = group.iter().map(|pool| pool.state().connected.function);
    let function = functions.next()??;
    functions
        .all(|other| other.is_some_and(|other| other.name() == function.name()))
        .then_some(function)
}

fn facts(group: &Group<'_>, first: &PoolState, last: &PoolState) -> [Fact; 3] {
    let now = Instant::now();
    let ago = |made| short(now.saturating_duration_since(made)) + " ago";
    let open: u64 = group.iter().map(|pool| u64::from(pool.size())).sum();
    [
        Fact::new("the first was made", ago(first.made)),
        Fact::new("the last", ago(last.made)),
        Fact::new("connections open", open.to_string()),
    ]
}

/// `connection` is the type of the pools' connections.
fn helps(connection: &str) -> [String; 3] {
    let pool = connection.replace("Connection", "Pool");
    [
        "make the pool once, where the program starts, and pass on clones: `pool.clone()` is the same pool".to_owned(),
        format!("or keep it in a static: `static POOL: OnceCell<{pool}> = OnceCell::const_new();` of tokio, and `POOL.get_or_try_init(connect).await?`"),
        format!("where one connection is enough, connect without a pool: `{connection}::connect(url).await?`"),
    ]
}
