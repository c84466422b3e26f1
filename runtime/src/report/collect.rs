//! Takes a snapshot.

use std::cmp::Reverse;

use crate::handle::live;
use crate::lint::{self, emit};
use crate::measure::begun;
use crate::observe;
use crate::pool_state::counters::Hold;
use crate::pool_state::read;
use crate::scope::Scope;
#[cfg(feature = "tower")]
use crate::site::routes;
use crate::site::{acquires, tally};
#[cfg(feature = "tower")]
use crate::snapshot::RequestStats;
use crate::snapshot::{HandleInfo, PoolStats, SiteStats, Snapshot, TrackerStats};

/// Returns what the tracker knows now: counters, live handles, waiters, pools, its own size.
///
/// The cost is a walk over everything that lives.
///
/// # Locking
///
/// A statement or an acquire on another thread waits at most while one shard of the live map is copied.
pub fn snapshot() -> Snapshot {
    let mut sites = tally::read_all();
    sites.sort_by_key(|site| Reverse(site.time.total));
    let rest = without_sites();
    name_pools(&mut sites, &rest.pools);
    Snapshot {
        sites,
        acquires: acquires::read_all(),
        #[cfg(feature = "tower")]
        requests: read_requests(),
        ..rest
    }
}

/// The same without the rows of sites, places and routes.
pub(super) fn without_sites() -> Snapshot {
    let claims = live::all();
    lint::note_demand(&claims);
    let mut pools = read::read_all();
    if observe::are_any() {
        // An observer is told at once what the snapshot counts as closed.
        observe::all_connections();
    }
    let (handles, waiters) = live::read(&claims);
    add_holds(&mut pools, &handles);
    let (rows, row_bytes) = tally::size();
    let (live, live_bytes) = live::size();
    let scopes = Scope::alive();
    #[cfg(feature = "tower")]
    let row_bytes = row_bytes + routes::bytes();
    Snapshot {
        sites: Vec::new(),
        acquires: Vec::new(),
        requests: Vec::new(),
        handles,
        waiters,
        lints: emit::read_all(),
        over: begun::counted_for(),
        tracker: TrackerStats {
            rows: rows as u64,
            live: live as u64,
            scopes,
            pools: pools.len() as u64,
            bytes: (row_bytes + live_bytes) as u64 + scopes * size_of::<Scope>() as u64,
        },
        pools,
    }
}

/// The requests by route, longest time with the database first.
#[cfg(feature = "tower")]
fn read_requests() -> Vec<RequestStats> {
    let mut requests = routes::read_all();
    requests.sort_by(|one, other| {
        let time = other.database.total.cmp(&one.database.total);
        time.then_with(|| (&one.route, &one.method).cmp(&(&other.route, &other.method)))
    });
    requests
}

/// Sets the pools of the call sites whose statements all went to one that lives.
fn name_pools(sites: &mut [SiteStats], pools: &[PoolStats]) {
    for site in sites {
        let id = site.pool_id;
        let found = pools.binary_search_by_key(&id, |pool| Some(pool.id));
        site.pool = found.ok().map(|index| pools[index].label.clone());
    }
}

/// Adds the time for which the live handles have been held to the demand on their pools.
fn add_holds(pools: &mut [PoolStats], handles: &[HandleInfo]) {
    for handle in handles {
        let found = pools.binary_search_by_key(&handle.pool_id, |pool| pool.id);
        if let Ok(index) = found {
            let hold = Hold {
                busy: handle.busy_total,
                idle: handle.idle_total,
                lent: handle.lent_total,
            };
            pools[index].demand.add(hold, handle.reserved.is_some());
        }
    }
}
