//! Limits of a pool that contradict each other, or that mean something else than they seem to.
//!
//! What follows from each was read in sqlx 0.9.0, and tests hold it.

use std::time::Duration;

use super::Made;
use crate::finding::{Certainty, Fact, Finding};
use crate::measure::units::{count, short};
use crate::pool_state::endpoint::Limits;

/// A lifetime below this makes connections anew all the time.
const SHORT: Duration = Duration::from_mins(1);

/// sqlx's default of `max_connections`.
const MAX_CONNECTIONS: u32 = 10;

/// An acquire has no time, not even for the first connect.
pub(super) fn no_time_to_acquire(made: &Made<'_>) -> Option<Finding> {
    let limits = &made.pool.limits;
    // Connections that the pool has opened by itself are handed out at once where they are not tested first.
    let may_be_served = limits.min_connections > 0 && !limits.tests_before_acquire;
    if !limits.acquire_timeout.is_zero() || may_be_served {
        return None;
    }
    let finding = made
        .finding()
        .title(format!(
            "no acquire on pool {} can open a connection: `acquire_timeout` is zero",
            made.pool.name()
        ))
        .certain("an acquire that has to open a connection returns `PoolTimedOut` at once: zero does not switch the limit off")
        .fact("acquire_timeout", "0")
        .help("give it time: `.acquire_timeout(Duration::from_secs(30))` is sqlx's default")
        .help("to take a connection only where one is idle, call `pool.try_acquire()`");
    Some(finding)
}

/// The pool is to keep more connections open than it may open.
pub(super) fn minimum_above_maximum(made: &Made<'_>) -> Option<Finding> {
    let Limits {
        min_connections: min,
        max_connections: max,
        ..
    } = made.pool.limits;
    if min <= max {
        return None;
    }
    let whose = if max == MAX_CONNECTIONS {
        ", sqlx's default"
    } else {
        ""
    };
    let finding = made
        .finding()
        .title(format!(
            "pool {} is to keep {} open, and may open {max}",
            made.pool.name(),
            count(u64::from(min), "connection")
        ))
        .certain(format!(
            "sqlx opens no more than `max_connections`: the pool keeps {max} at most"
        ))
        .fact("min_connections", min.to_string())
        .fact("max_connections", format!("{max}{whose}"))
        .help(format!("set `.min_connections({max})`, or less: the server serves each connection that is kept open"))
        .help(format!("where {min} are needed, `.max_connections({min})` as well"));
    Some(finding)
}

/// The checks of `idle_timeout` and `max_lifetime`.
pub(super) fn times(made: &Made<'_>) -> impl Iterator<Item = Finding> {
    let lifetime = zero_lifetime(made).or_else(|| short_lifetime(made));
    let idle = zero_idle_time(made).or_else(|| idle_time_above_lifetime(made));
    lifetime.into_iter().chain(idle)
}

fn zero_lifetime(made: &Made<'_>) -> Option<Finding> {
    let is_zero = made.pool.limits.max_lifetime == Some(Duration::ZERO);
    is_zero.then(|| {
        made.finding()
            .title(format!(
                "pool {} keeps no connection: `max_lifetime` is zero",
                made.pool.name()
            ))
            .certain("sqlx closes each connection when it is given back, and looks for old ones without a pause: zero does not switch the limit off")
            .fact("max_lifetime", "0")
            .help("to switch it off: `.max_lifetime(None)`")
    })
}

fn zero_idle_time(made: &Made<'_>) -> Option<Finding> {
    let is_zero = made.pool.limits.idle_timeout == Some(Duration::ZERO);
    is_zero.then(|| {
        made.finding()
            .title(format!(
                "pool {} closes each connection that is idle: `idle_timeout` is zero",
                made.pool.name()
            ))
            .certain("sqlx looks for idle connections without a pause, and closes each that it finds: zero does not switch the limit off")
            .fact("idle_timeout", "0")
            .help("to switch it off: `.idle_timeout(None)`")
    })
}

fn short_lifetime(made: &Made<'_>) -> Option<Finding> {
    let limits = &made.pool.limits;
    let lifetime = limits.max_lifetime.filter(|time| *time < SHORT)?;
    let max = count(u64::from(limits.max_connections), "connection");
    let finding = made
        .finding()
        .title(format!(
            "pool {} closes each connection at the age of {}, its `max_lifetime`",
            made.pool.name(),
            short(lifetime)
        ))
        .cause(
            Certainty::Likely,
            format!("a pool in use opens up to {max} anew in each {}, and a statement waits for each connect", short(lifetime)),
        )
        .facts(max_lifetime(limits))
        .help("let connections live for minutes: `.max_lifetime(Duration::from_secs(30 * 60))` is sqlx's default")
        .help("to close connections that nothing uses, set `idle_timeout`")
        .note("a server or a proxy may ask for so short a time; name it where you allow this");
    Some(finding)
}

/// sqlx's default above a lifetime that was set is no mistake of the program's.
fn idle_time_above_lifetime(made: &Made<'_>) -> Option<Finding> {
    let limits = &made.pool.limits;
    let (idle, lifetime) = (limits.idle_timeout?, limits.max_lifetime?);
    if idle <= lifetime || !limits.sets_idle_timeout {
        return None;
    }
    let finding = made
        .finding()
        .title(format!(
            "pool {} closes no connection for its idle time: `idle_timeout` is {}, and `max_lifetime` {}",
            made.pool.name(),
            short(idle),
            short(lifetime)
        ))
        .certain("a connection that has been idle for longer than `idle_timeout` is older than `max_lifetime`, and was closed for that")
        .facts(idle_timeout(limits))
        .facts(max_lifetime(limits))
        .help("set `idle_timeout` below `max_lifetime`, or leave it out");
    Some(finding)
}

pub(super) fn idle_timeout(limits: &Limits) -> Option<Fact> {
    time("idle_timeout", limits.idle_timeout, Limits::IDLE_TIMEOUT)
}

pub(super) fn max_lifetime(limits: &Limits) -> Option<Fact> {
    time("max_lifetime", limits.max_lifetime, Limits::MAX_LIFETIME)
}

fn time(name: &str, time: Option<Duration>, default: Duration) -> Option<Fact> {
    let time = time?;
    let whose = if time == default {
        ", sqlx's default"
    } else {
        ""
    };
    Some(Fact::new(name, short(time) + whose))
}
