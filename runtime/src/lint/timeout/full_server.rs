//! A server that is full: it refuses further connections, whichever pool they are for.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;
use sqlx::Error;

use crate::config;
use crate::finding::{Certainty, Fact, Finding, Lint, Related, Verdict};
use crate::handle::{Handle, live};
use crate::lint::Reaction;
use crate::lint::describe::{closing_notes, numbers_of, permits, taker};
use crate::lint::emit::{Audience, Log};
use crate::lint::judge::judge_handle;
use crate::lint::places::LISTED;
use crate::lint::spent::so_far;
use crate::measure::units::{count, decimal, percent};
use crate::pool_state::endpoint::Endpoint;
use crate::pool_state::episode::Diagnosis;
use crate::pool_state::registry::{self, ErasedPool};
use crate::snapshot::DemandStats;

/// The acquire of `waiter` failed with `error`, because the server is full. Where the lint is at deny, it must panic.
pub(crate) fn server_is_full(waiter: &Handle, error: &Error) -> Reaction {
    let (Some(level), Some(pool)) = (
        judge_handle(&config::rules(), Lint::PoolTimeout, waiter),
        registry::find(waiter.pool.id()),
    ) else {
        return Reaction::Go;
    };
    let name = waiter.pool.name();
    let server = Server::of(&pool.endpoint());
    let diagnosis = server.refuses(Certainty::Certain, &error.to_string());
    let finding = Finding::of(Lint::PoolTimeout, level, waiter.place)
        .title(format!(
            "{} got no connection of pool {name}, because the server is full",
            taker(waiter.place)
        ))
        .label("asked here")
        .pool(&name)
        .verdict(diagnosis.verdict)
        .cause(diagnosis.certainty, diagnosis.cause)
        .all_related(diagnosis.related)
        .waiter(waiter.place)
        .numbers(numbers_of(&waiter.pool))
        .facts([permits(&waiter.pool)])
        .facts(diagnosis.facts)
        .helps(diagnosis.help)
        .notes(closing_notes(
            Lint::PoolTimeout,
            waiter.place.function,
            Some(&waiter.pool),
        ));
    let scope = waiter.scope();
    let collector = scope.as_ref().and_then(|scope| scope.collector());
    finding.report(Audience {
        log: Log::PerServer(FxBuildHasher.hash_one(&server.endpoint.address)),
        ..Audience::of(waiter, collector, true)
    })
}

/// A server, with the pools of this process that lead to it.
pub(super) struct Server {
    endpoint: Endpoint,
    pools: Vec<Arc<dyn ErasedPool>>,
    /// What the users of these pools needed so far, in the same order.
    demands: Vec<DemandStats>,
}

impl Server {
    /// The server at which `endpoint` leads.
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let mut pools = registry::all();
        pools.retain(|pool| !pool.is_closed() && pool.endpoint().is_on_server_of(endpoint));
        let (claims, now) = (live::all(), Instant::now());
        let demands = pools.iter().map(|pool| so_far(pool.state(), &claims, now));
        Self {
            endpoint: endpoint.clone(),
            demands: demands.collect(),
            pools,
        }
    }

    /// Whether a timeout of another pool than this one has been explained by the same server, and goes on.
    pub(super) fn is_reported_for_another(&self, pool: u64) -> bool {
        let mut others = self.pools.iter().filter(|it| it.state().id() != pool);
        others.any(|other| other.state().episodes.has_full_server())
    }

    /// The diagnosis of an acquire that gets no connection, because the server refuses it with `error`.
    pub(super) fn refuses(&self, certainty: Certainty, error: &str) -> Diagnosis {
        let cause = format!("the server at {} is full: {error}", self.endpoint);
        Diagnosis {
            related: self.places(),
            facts: self.facts(),
            help: self.help(),
            server_is_full: true,
            ..Diagnosis::new(Verdict::Unreachable, certainty, cause)
        }
    }

    /// Where the pools were made, the one with the most connections first.
    fn places(&self) -> Vec<Related> {
        let mut places: Vec<(Vec<&dyn ErasedPool>, u64)> = Vec::new();
        for pool in &self.pools {
            let place = pool.state().connected;
            match places
                .iter_mut()
                .find(|(pools, _)| pools[0].state().connected.is_same(place))
            {
                Some((pools, connections)) => {
                    pools.push(&**pool);
                    *connections += open(&**pool);
                }
                None => places.push((vec![&**pool], open(&**pool))),
            }
        }
        places.sort_by_key(|(_, connections)| std::cmp::Reverse(*connections));
        places
            .iter()
            .take(LISTED)
            .map(|(pools, connections)| {
                let (who, have) = match pools[..] {
                    [pool] => (format!("pool {}", pool.state().name()), "has"),
                    _ => (
                        format!("{} made here", count(pools.len() as u64, "pool")),
                        "have",
                    ),
                };
                let connections = count(*connections, "connection");
                let most: u64 = pools.iter().map(|pool| max(*pool)).sum();
                Related::new(
                    format!("{who} {have} {connections} to this server, and may open {most}"),
                    pools[0].state().connected,
                )
            })
            .collect()
    }

    /// How many connections the process has to the server.
    pub(super) fn facts(&self) -> Vec<Fact> {
        let sum = |of: fn(&dyn ErasedPool) -> u64| -> String {
            self.pools
                .iter()
                .map(|pool| of(&**pool))
                .sum::<u64>()
                .to_string()
        };
        vec![
            Fact::new(
                "pools of this process on the server",
                self.pools.len().to_string(),
            ),
            Fact::new("their connections", sum(open)),
            Fact::new("they may open", sum(max)),
            Fact::new("they needed on average", decimal(self.needed())),
            Fact::new("held at once at most", self.most_held().to_string()),
        ]
    }

    /// How many connections all the pools needed on average.
    fn needed(&self) -> f64 {
        self.demands.iter().map(DemandStats::needed).sum()
    }

    /// How many permits the pools held at once at most, each by itself.
    fn most_held(&self) -> u64 {
        self.demands.iter().map(|demand| demand.most_held).sum()
    }

    /// How to hold connections for less time, if they were idle in hand for most of it: smaller pools are then enough.
    fn shorter_holds(&self) -> Option<String> {
        let sum = |of: fn(&DemandStats) -> Duration| self.demands.iter().map(of).sum::<Duration>();
        let (idle, used) = (sum(|demand| demand.idle), sum(DemandStats::used));
        (!used.is_zero() && idle * 2 >= used).then(|| {
            format!(
                "hold connections for less time, so that smaller pools are enough: of the time held so far, {} was idle in hand",
                percent(idle.as_secs_f64() / used.as_secs_f64())
            )
        })
    }

    /// How to get along with the limit of the server, or to raise it.
    pub(super) fn help(&self) -> Vec<String> {
        let most: u64 = self.pools.iter().map(|pool| max(&**pool)).sum();
        let mut help: Vec<String> = self.shorter_holds().into_iter().collect();
        help.push(format!(
            "make the pools smaller: `max_connections` of all pools of all processes together must stay within the server's limit, \
             and the pools of this process may open {most}"
        ));
        let on_database = self
            .pools
            .iter()
            .filter(|pool| pool.endpoint() == self.endpoint);
        if on_database.count() > 1 {
            help.push(format!(
                "several pools of this process lead to {}: make one, and clone it",
                self.endpoint
            ));
        }
        let system = self.endpoint.system;
        if let (Some(limits), Some(list)) =
            (system.connection_limits(), system.list_of_connections())
        {
            help.push(format!("see who has the connections: `{list}`"));
            help.push(format!(
                "or raise the limit that the message names: {limits}"
            ));
        }
        help
    }
}

/// The number of open connections. A waiter may be about to open one, which counts in the pool's size.
fn open(pool: &dyn ErasedPool) -> u64 {
    let permits = &pool.state().permits;
    let size = u64::from(pool.size()).saturating_sub(permits.waiting());
    size.max(permits.taken() + u64::from(pool.idle()))
}

fn max(pool: &dyn ErasedPool) -> u64 {
    u64::from(pool.state().limits.max_connections)
}
