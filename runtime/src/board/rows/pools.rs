//! Pools: their permits by state, who waits, and why.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::claims::{name_of, of_pool, state};
use super::parts::Times;
use super::words::{place, without_users};
use crate::handle::{Handle, Standing};
use crate::lint;
use crate::measure::units::millis;
use crate::pool_state::episode::Diagnosis;
use crate::pool_state::registry::{self, ErasedPool};
use crate::snapshot::{ConnectionStats, PoolStats};

/// A pool.
#[derive(Debug, Serialize)]
pub(in super::super) struct Pool {
    id: u64,
    name: String,
    system: String,
    /// Where it was connected.
    at: String,
    closed: bool,
    /// Whether plain sqlx has it, whose permits are not seen.
    lent_to_sqlx: bool,
    max_connections: u32,
    min_connections: u32,
    /// Connections that are open or being opened, and those among them that are idle in the pool.
    size: u32,
    idle: u32,
    permits: Permits,
    waiting: u64,
    oldest_wait_ms: Option<f64>,
    acquire_timeout_ms: f64,
    verdict: Option<Cause>,
    acquired: u64,
    timeouts: u64,
    errors: u64,
    abandoned: u64,
    detached: u64,
    leaked: u64,
    returns_cut: u64,
    wait: Times,
    held: HeldTimes,
    demand: Demand,
    /// `None` where they are not counted.
    connections: Option<Connections>,
}

/// The permits of a pool by what is done with them.
#[derive(Debug, Default, Serialize)]
struct Permits {
    busy: u64,
    idle_in_transaction: u64,
    idle: u64,
    lent: u64,
    reserved: u64,
    returning: u64,
    /// In use, and no handle is known that holds it.
    unknown: u64,
    free: u64,
}

/// How long permits were held, of the handles that have ended.
#[derive(Debug, Serialize)]
struct HeldTimes {
    ended: u64,
    mean_ms: f64,
    busy_ms: f64,
    idle_ms: f64,
    lent_ms: f64,
}

/// The permits that the program needs.
#[derive(Debug, Serialize)]
struct Demand {
    on_average: f64,
    most_held: u64,
    /// The size from which on no deadlock can come.
    deadlock_free: u64,
}

/// The connections of a pool.
#[derive(Debug, Serialize)]
struct Connections {
    opened: u64,
    closed: u64,
    /// How many were closed why.
    closed_by: Vec<(u64, &'static str)>,
    connect: Times,
}

/// Why no permit is free.
#[derive(Debug, Serialize)]
struct Cause {
    verdict: &'static str,
    /// Whether it is about an acquire that waits now. Otherwise it is that of the last timeout.
    so_far: bool,
    certainty: &'static str,
    why: String,
    help: Option<String>,
    /// The place to look at.
    at: Option<String>,
}

impl Pool {
    /// Reads a pool, and why it is waited for if `asks`.
    pub(super) fn read(
        stats: &PoolStats,
        asks: bool,
        claims: &[Arc<Handle>],
        now: Instant,
    ) -> Self {
        let pool = registry::find(stats.id);
        let known = pool.as_ref().map(|pool| pool.state());
        let oldest = of_pool(claims, stats.id).find(|claim| claim.is_waiting());
        let timeout = known.map_or(Duration::ZERO, |state| state.limits.acquire_timeout);
        let so_far = oldest
            .filter(|_| asks)
            .and_then(|waiter| lint::diagnosis_so_far(waiter, now));
        let verdict = match so_far {
            Some(diagnosis) => Some(Cause::of(&diagnosis, true)),
            None => known
                .and_then(|state| state.episodes.diagnosis())
                .map(|diagnosis| Cause::of(&diagnosis, false)),
        };
        Self {
            id: stats.id,
            name: stats.label.clone(),
            system: stats.system.clone(),
            at: place(&stats.site),
            closed: stats.closed,
            lent_to_sqlx: stats.lent,
            max_connections: stats.max_connections,
            min_connections: known.map_or(0, |state| state.limits.min_connections),
            size: stats.size,
            idle: stats.idle,
            permits: Permits::read(stats, pool.as_deref(), claims),
            waiting: stats.waiting,
            oldest_wait_ms: oldest.map(|waiter| millis(waiter.has_waited(now))),
            acquire_timeout_ms: millis(timeout),
            verdict,
            acquired: stats.acquired,
            timeouts: stats.timeouts,
            errors: stats.acquire_errors,
            abandoned: stats.abandoned,
            detached: stats.detached,
            leaked: stats.leaked,
            returns_cut: stats.returns_cut,
            wait: Times::of(&stats.wait),
            held: HeldTimes {
                ended: stats.holds.ended,
                mean_ms: millis(stats.holds.mean()),
                busy_ms: millis(stats.holds.busy),
                idle_ms: millis(stats.holds.idle),
                lent_ms: millis(stats.holds.lent),
            },
            demand: Demand {
                on_average: stats.demand.needed(),
                most_held: stats.demand.most_held,
                deadlock_free: stats.demand.deadlock_free_size(),
            },
            connections: stats.connections.as_ref().map(Connections::of),
        }
    }

    /// The verdict in a line, if there is one.
    pub(in super::super) fn line(&self) -> Option<String> {
        let cause = self.verdict.as_ref()?;
        Some(format!(
            "\npool {}: {} ({}), {}",
            self.name, cause.verdict, cause.certainty, cause.why
        ))
    }
}

impl Permits {
    fn read(stats: &PoolStats, pool: Option<&dyn ErasedPool>, claims: &[Arc<Handle>]) -> Self {
        let mut permits = Self::default();
        for claim in of_pool(claims, stats.id) {
            let glance = claim.glance();
            *match glance.standing {
                Standing::Waiting => continue,
                Standing::Returning(_) => &mut permits.returning,
                Standing::Held(_) if claim.is_reserved() => &mut permits.reserved,
                Standing::Held(_) => match state(claim, &glance) {
                    "busy" => &mut permits.busy,
                    "lent" => &mut permits.lent,
                    "idle" => &mut permits.idle,
                    _ => &mut permits.idle_in_transaction,
                },
            } += 1;
        }
        permits.unknown = pool.map_or(0, lint::unexplained);
        permits.free = u64::from(stats.max_connections).saturating_sub(permits.taken());
        permits
    }

    fn taken(&self) -> u64 {
        self.busy
            + self.idle_in_transaction
            + self.idle
            + self.lent
            + self.reserved
            + self.returning
            + self.unknown
    }
}

impl Connections {
    fn of(stats: &ConnectionStats) -> Self {
        let causes = stats.closed_by.parts().into_iter();
        Self {
            opened: stats.opened,
            closed: stats.closed,
            closed_by: causes.filter(|(number, _)| *number > 0).collect(),
            connect: Times::of(&stats.connect),
        }
    }
}

impl Cause {
    fn of(diagnosis: &Diagnosis, so_far: bool) -> Self {
        Self {
            so_far,
            verdict: diagnosis.verdict.name(),
            certainty: name_of(diagnosis.certainty),
            why: without_users(&diagnosis.cause),
            help: diagnosis.help.first().map(|help| without_users(help)),
            at: diagnosis
                .culprit
                .as_ref()
                .map(|(at, _)| place(&at.to_call_site())),
        }
    }
}
