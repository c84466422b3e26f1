//! Nearly all permits of a pool are in use, sample after sample.

use std::sync::Arc;
use std::time::Instant;

use tracing::Span;

use super::Reaction;
use super::describe::{numbers_of, permits};
use super::emit::Audience;
use super::judge::judge;
use super::places::holders;
use super::spent::{Lately, so_far};
use crate::config::Rules;
use crate::finding::{Fact, Finding, Lint};
use crate::handle::Handle;
use crate::log;
use crate::measure::units::{percent, short};
use crate::pool_state::PoolState;

/// Samples in a row in which a pool was under pressure.
#[derive(Debug, Default)]
pub(crate) struct PressureSamples {
    high: u32,
    reported: bool,
}

impl PressureSamples {
    /// Whether the end of the pressure is to be reported.
    pub(crate) fn is_on(&self) -> bool {
        self.reported
    }
}

/// The number of samples in a row that are more than a peak.
const SAMPLES: u32 = 3;

/// One sample of `pool`, whose claims are `claims`.
pub(crate) fn pool_pressure(
    rules: &Rules,
    pool: &PoolState,
    claims: impl Fn() -> Vec<Arc<Handle>>,
    samples: &mut PressureSamples,
) {
    let (held, max) = (pool.held(), u64::from(pool.limits.max_connections));
    let waiting = pool.permits.waiting();
    let name = pool.name();
    let limit = u64::from(rules.percent(Lint::PoolPressure, &name));
    // A pool of one is full whenever it is used at all.
    let high = held * 100 >= max * limit && (max > 1 || waiting > 0);
    let demand_so_far = || so_far(pool, &claims(), Instant::now());
    pool.demand
        .note_shortage(high || waiting > 0, demand_so_far);
    if !high {
        if std::mem::take(samples).reported {
            log::pool_recovered(pool, "below the limit of `pool_pressure` again");
        }
        return;
    }
    samples.high += 1;
    if samples.high < SAMPLES || samples.reported {
        return;
    }
    let Some(level) = judge(rules, Lint::PoolPressure, None, Some(&name)) else {
        return;
    };
    samples.reported = true;
    let (claims, now) = (&claims(), Instant::now());
    let finding = Finding::of(Lint::PoolPressure, level, pool.connected)
        .at_fault(None)
        .title(format!(
            "at least {limit} % of the permits of pool {name} were in use in {SAMPLES} samples in a row, a second apart: now {held} of {max}, {waiting} waiting"
        ))
        .label("connected here")
        .pool(&name)
        .certain("the handles listed here hold the permits")
        .all_related(holders(claims))
        .holder_if_any(claims.iter().find(|it| it.is_held()).map(|it| it.place))
        .numbers(numbers_of(pool))
        .facts([permits(pool)])
        .facts(mean_hold(pool, claims, now))
        .help(Lately::of(pool, claims, now).shorter_holds())
        .help("see what holds the permits at any time: `println!(\"{}\", leash::snapshot())`")
        .note(format!("to set the limit or allow this: `SQLX_LEASH=\"pool_pressure[{name}]=95%\"`; read more: `leash::explain(Lint::PoolPressure)`"));
    let _: Reaction = finding.report(Audience::of_pool(&Span::none(), claims));
}

/// How long permits are held, and how much of that with the database.
fn mean_hold(pool: &PoolState, claims: &[Arc<Handle>], now: Instant) -> Vec<Fact> {
    let demand = so_far(pool, claims, now);
    if demand.mean_hold().is_zero() {
        return Vec::new();
    }
    vec![
        Fact::new("mean hold", short(demand.mean_hold())),
        Fact::new("of that with the database", percent(demand.busy_share())),
        Fact::new("idle in hand", percent(demand.idle_share())),
    ]
}
