//! What the time of a pool's permits was spent on, and how to hold them for less of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::handle::Handle;
use crate::measure::units::{percent, short};
use crate::pool_state::PoolState;
use crate::pool_state::counters::Hold;
use crate::snapshot::DemandStats;

/// A shortage of permits that is shorter says less than what was seen before it.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

const RELEASE: &str = "release them before slow work that does not need the database";

/// What the users of `pool` needed of it since it was made. `claims` are all that live, or those on the pool.
pub(super) fn so_far(pool: &PoolState, claims: &[Arc<Handle>], now: Instant) -> DemandStats {
    let mut demand = pool.read_demand(now);
    let of_pool = claims.iter().filter(|claim| claim.pool.id() == pool.id());
    for claim in of_pool.filter(|claim| claim.is_held()) {
        demand.add(claim.hold(now), claim.is_reserved());
    }
    demand
}

/// The demand on a pool in a time that ends now.
pub(super) struct Lately {
    pub(super) demand: DemandStats,
    /// That time in words.
    when: String,
}

impl Lately {
    /// Since the pool began to be short of permits, as far as samples show it; else since it was made.
    pub(super) fn of(pool: &PoolState, claims: &[Arc<Handle>], now: Instant) -> Self {
        let so_far = so_far(pool, claims, now);
        let since_short = pool
            .demand
            .before_shortage()
            .map(|before| so_far.since(before));
        match since_short.filter(|it| it.over >= LONG_ENOUGH && !it.held().is_zero()) {
            Some(demand) => Self {
                when: format!("in the last {}", short(demand.over)),
                demand,
            },
            None => Self {
                demand: so_far,
                when: "so far".to_owned(),
            },
        }
    }

    /// How to hold connections for less time: what they were held for shows where there is most to win.
    pub(super) fn shorter_holds(&self) -> String {
        let demand = &self.demand;
        if demand.reserved > demand.used() {
            return "give what is meant to live long a pool of its own, so that it takes no permit from the rest".to_owned();
        }
        if demand.used().is_zero() {
            return format!("hold connections for less time: {RELEASE}");
        }
        let (share, spent, how) = if is_mostly_idle(demand) {
            (demand.idle_share(), "was idle in hand", RELEASE)
        } else if demand.busy_share() >= demand.lent_share() {
            let how = "make the slowest statements of the holders quicker, `leash::snapshot().sites` has them";
            (demand.busy_share(), "was with the database", how)
        } else {
            let how = "look at what plain sqlx does with them";
            (demand.lent_share(), "was lent to plain sqlx", how)
        };
        let split = Hold {
            busy: demand.busy,
            idle: demand.idle,
            lent: demand.lent,
        };
        format!(
            "hold connections for less time: of the time held {}, {} {spent} ({}): {how}",
            self.when,
            percent(share),
            split.split()
        )
    }
}

/// Whether most of the time held was idle in hand, so that there is most to win.
pub(super) fn is_mostly_idle(demand: &DemandStats) -> bool {
    demand.idle_share() >= 0.5
}

/// The shares of the time held.
pub(super) fn shares(demand: &DemandStats) -> String {
    format!(
        "{} busy, {} idle in hand",
        percent(demand.busy_share()),
        percent(demand.idle_share())
    )
}
