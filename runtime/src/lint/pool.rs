//! Pools that are nearly empty, whose permits nobody has, or that cannot close.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::describe::{Group, closing_notes, fact, permits, related, taker};
use super::emit::{Audience, Log, Path};
use super::{Certainty, Finding, Level, Lint, Related};
use crate::config::Rules;
use crate::handle::{Handle, Standing};
use crate::pool_state::{Gauge, PoolState, closing::Closing};
use crate::report;
use crate::units::{count, short};

/// So many places are listed one by one.
const LISTED: usize = 6;

/// Samples in a row in which a pool was under pressure.
#[derive(Debug, Default)]
pub(crate) struct PressureSamples {
    high: u32,
    told: bool,
}

impl PressureSamples {
    /// Whether there is something to tell when it is over.
    pub(crate) fn is_on(&self) -> bool {
        self.told
    }
}

/// From so many on, it is no peak.
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
    if !high {
        if std::mem::take(samples).told {
            report::pool_recovered(pool, "below the limit of `pool_pressure` again");
        }
        return;
    }
    samples.high += 1;
    if samples.high < SAMPLES || samples.told {
        return;
    }
    let level = rules.level(Lint::PoolPressure, None, Some(&name));
    if level == Level::Allow {
        return;
    }
    samples.told = true;
    let claims = &claims();
    let holds = pool.counters.holds.read();
    let mut facts = vec![permits(pool)];
    if holds.ended > 0 {
        let whole = holds.busy + holds.idle + holds.lent;
        facts.push(fact(
            "a permit was held on average for",
            short(holds.mean()),
        ));
        facts.push(fact(
            "of it with the database",
            format!("{} %", share(holds.busy, whole)),
        ));
    }
    let finding = Finding {
        lint: Lint::PoolPressure,
        level,
        certainty: Certainty::Certain,
        cause: "the handles listed here hold the permits".to_owned(),
        title: format!(
            "pool {name} has had at least {limit} % of its permits in use for {SAMPLES} samples in a row, a second apart: now {held} of {max}, {waiting} waiting"
        ),
        verdict: None,
        primary: pool.connected.to_call_site(),
        label: "connected here".to_owned(),
        function: None,
        pool: Some(name.to_string()),
        related: holders(claims),
        facts,
        help: vec![
            "look at the places that hold the most: give the connection back before slow work that is not the database's".to_owned(),
            "see who holds what at any time: `println!(\"{}\", leash::snapshot())`".to_owned(),
        ],
        notes: vec![
            format!("to set the limit or allow this: `SQLX_LEASH=\"pool_pressure[{name}]=95%\"`; read more: `leash::explain(Lint::PoolPressure)`"),
        ],
    };
    tell(finding, claims, None);
}

fn share(part: Duration, whole: Duration) -> u128 {
    (part.as_nanos() * 100)
        .checked_div(whole.as_nanos())
        .unwrap_or_default()
}

/// Who holds what, grouped by place, the place of the oldest first.
pub(super) fn holders(claims: &[Arc<Handle>]) -> Vec<Related> {
    let now = Instant::now();
    let held = claims.iter().filter(|claim| claim.is_held());
    let groups = Group::all(held.map(|claim| &**claim));
    let mut places: Vec<Related> = groups
        .iter()
        .take(LISTED)
        .map(|group| holder(group, now))
        .collect();
    let rest = groups.iter().skip(LISTED);
    let (more, permits) = rest.fold((0, 0), |(places, permits), group| {
        (places + 1, permits + group.len() as u64)
    });
    if let Some(last) = places.last_mut()
        && more > 0
    {
        last.label += &format!(
            "; {} more hold {}",
            count(more, "place"),
            count(permits, "permit")
        );
    }
    places
}

fn holder(group: &Group<'_>, now: Instant) -> Related {
    let oldest = group.oldest().read(now);
    let doing = super::describe::doing(&oldest).to_string();
    let last = super::describe::last(&oldest)
        .map(|last| format!(", {last}"))
        .unwrap_or_default();
    let reserved = oldest
        .reserved
        .as_ref()
        .map(|reason| format!(" (reserved: {reason})"))
        .unwrap_or_default();
    let label = match group.len() as u64 {
        1 => format!(
            "{} holds 1 permit{reserved} for {}, {doing}{last}",
            taker(group.place()),
            short(oldest.age)
        ),
        permits => format!(
            "{} holds {}{reserved}, the oldest for {}, {doing}{last}",
            taker(group.place()),
            count(permits, "permit"),
            short(oldest.age)
        ),
    };
    related(label, group.place())
}

/// Tells a finding about a whole pool in full, to who listens to somebody who uses it.
fn tell(finding: Finding, claims: &[Arc<Handle>], span: Option<&tracing::Span>) {
    let collector = claims.iter().find_map(|claim| {
        let scope = claim.scope()?;
        scope.collector().cloned()
    });
    let none = tracing::Span::none();
    let _told = finding.tell(Audience {
        span: span.unwrap_or(&none),
        collector,
        path: Path::Aside,
        log: Log::Full,
    });
}

/// Connections in use that no handle, waiter or return accounts for. A waiter may be connecting, and is taken to be; so is
/// sqlx, where the pool is to have a least number of connections.
pub(super) fn unexplained(gauge: &dyn Gauge) -> u64 {
    let pool = gauge.state();
    let permits = &pool.permits;
    // In this order: what moves on meanwhile is counted twice rather than not at all.
    let in_use = u64::from(gauge.size().saturating_sub(gauge.idle()));
    let known = permits.waiting() + permits.taken();
    let sqlx_may_connect =
        pool.endpoint.system != "sqlite" && gauge.size() <= pool.limits.min_connections;
    in_use.saturating_sub(known + u64::from(sqlx_may_connect))
}

/// Since when permits of a pool are unaccounted for, and whether that was told.
#[derive(Debug, Default)]
pub(crate) struct Unaccounted {
    since: Option<Instant>,
    told: bool,
}

impl Unaccounted {
    /// Whether there is more to see.
    pub(crate) fn is_on(&self) -> bool {
        self.since.is_some()
    }
}

/// One sample of `gauge`'s pool.
pub(crate) fn unaccounted_connections(
    rules: &Rules,
    gauge: &dyn Gauge,
    claims: impl Fn() -> Vec<Arc<Handle>>,
    unaccounted: &mut Unaccounted,
    now: Instant,
    thawed: Option<Instant>,
) {
    // What was given back while the process stood still could not come back.
    let lived = |since: Instant| {
        let since = thawed.map_or(since, |thawed| since.max(thawed));
        now.saturating_duration_since(since)
    };
    let pool = gauge.state();
    let name = pool.name();
    let Some(limit) = rules.time(Lint::UnaccountedConnections, None, Some(&name)) else {
        return;
    };
    let claims = if pool.permits.returning() > 0 || unaccounted.since.is_some() {
        claims()
    } else {
        Vec::new()
    };
    let hanging: Vec<(&Arc<Handle>, Instant)> = claims
        .iter()
        .filter_map(|claim| match claim.look().standing {
            Standing::Returning(since) if lived(since) >= limit => Some((claim, since)),
            _ => None,
        })
        .collect();
    let unexplained = if pool.lent_at().is_some() || gauge.is_closed() {
        0
    } else {
        unexplained(gauge)
    };
    if unexplained == 0 && hanging.is_empty() {
        if std::mem::take(unaccounted).told {
            report::pool_recovered(pool, "every permit is accounted for again");
        }
        return;
    }
    let since = *unaccounted.since.get_or_insert(now);
    let is_old = lived(since) >= limit || !hanging.is_empty();
    let level = rules.level(Lint::UnaccountedConnections, None, Some(&name));
    if !is_old || unaccounted.told || level == Level::Allow {
        return;
    }
    unaccounted.told = true;
    let finding = match hanging.first() {
        Some((handle, since)) => {
            let gone = now.saturating_duration_since(*since);
            hanging_return(handle, gone, hanging.len(), level)
        }
        None => untracked_use(
            gauge,
            unexplained,
            now.saturating_duration_since(since),
            &claims,
            level,
        ),
    };
    let span = hanging.first().map(|(handle, _)| &handle.span);
    tell(finding, &claims, span);
}

/// `handle`, and so many in all, were given back, and the longest of them `gone` ago.
fn hanging_return(handle: &Handle, gone: Duration, hanging: usize, level: Level) -> Finding {
    let name = handle.pool.name();
    let function = taker(handle.place);
    Finding {
        lint: Lint::UnaccountedConnections,
        level,
        certainty: Certainty::Certain,
        cause: "it looks like a return that hangs: before a permit is there again, sqlx runs `after_release` and asks the server \
                whether the connection is well, with no time limit, and one of them does not come to its end"
            .to_owned(),
        title: match hanging {
            1 => format!("a connection of pool {name} was given back {} ago, and its permit is not there again", short(gone)),
            hanging => format!("{hanging} connections of pool {name} were given back {} ago or later, and their permits are not there again", short(gone)),
        },
        verdict: None,
        primary: handle.place.to_call_site(),
        label: format!("taken here, in {function}"),
        function: handle.place.function.map(|function| function.name().to_owned()),
        pool: Some(name.to_string()),
        related: Vec::new(),
        facts: vec![
            fact("returning for", short(gone)),
            fact("returns that hang", hanging.to_string()),
            permits(&handle.pool),
        ],
        help: vec![
            "bound the return: `leash::Config::new().return_timeout(Duration::from_secs(10)).install()` \
             or `SQLX_LEASH=\"return_timeout=10s\"`; the connection is then closed and its permit is there again"
                .to_owned(),
            "look at the server, and at what stands between: a peer that went silent, a firewall that drops".to_owned(),
        ],
        notes: vec!["read more: `leash::explain(Lint::UnaccountedConnections)`".to_owned()],
    }
}

fn untracked_use(
    gauge: &dyn Gauge,
    unexplained: u64,
    since: Duration,
    claims: &[Arc<Handle>],
    level: Level,
) -> Finding {
    let pool = gauge.state();
    let name = pool.name();
    let in_use = gauge.size().saturating_sub(gauge.idle());
    Finding {
        lint: Lint::UnaccountedConnections,
        level,
        certainty: Certainty::Likely,
        cause: if pool.is_shared() {
            "it looks like untracked use: something takes connections from the plain sqlx pool that this one was made from"
        } else {
            "it looks like a connection that hangs while sqlx itself gives it back or closes it (a listener's, a COPY's, one that \
             was idle for long): nobody else has the plain pool, and a server that does not answer is waited for with no time limit"
        }
        .to_owned(),
        title: format!(
            "{unexplained} of {} of pool {name} {} in use by nobody that is known",
            count(u64::from(pool.limits.max_connections), "permit"),
            if unexplained == 1 { "is" } else { "are" },
        ),
        verdict: None,
        primary: pool.connected.to_call_site(),
        label: "connected here".to_owned(),
        function: None,
        pool: Some(name.to_string()),
        related: holders(claims),
        facts: vec![
            fact("in use", in_use.to_string()),
            permits(pool),
            fact("unaccounted for", short(since)),
        ],
        help: vec![
            if pool.is_shared() {
                "where other code needs plain sqlx's pool, give it `pool.as_sqlx()`: its permits are then known as lent"
            } else {
                "look at the server, and at what stands between: a peer that went silent, a firewall that drops"
            }
            .to_owned(),
        ],
        notes: vec!["read more: `leash::explain(Lint::UnaccountedConnections)`".to_owned()],
    }
}

/// `closing` has waited for longer than the limit.
pub(crate) fn close_blocked(
    rules: &Rules,
    pool: &PoolState,
    closing: &Closing,
    claims: &[Arc<Handle>],
    now: Instant,
) {
    let name = pool.name();
    let level = rules.level(Lint::CloseBlocked, closing.place.function, Some(&name));
    if level == Level::Allow {
        return;
    }
    let waited = now.saturating_duration_since(closing.since);
    let (held, returning) = (pool.held(), pool.permits.returning());
    let cause = match (held, returning) {
        (0, 0) => "no handle that is known is alive: plain sqlx may hold a connection, or the server does not answer when one is closed".to_owned(),
        (0, 1) => "1 connection is on its way back: your `after_release` hook may take long, or the server does not answer".to_owned(),
        (0, returning) => format!("{returning} connections are on their way back: your `after_release` hook may take long, or the server does not answer"),
        (held, _) => format!("`close` waits until every permit is back, and {} still held", permits_are(held)),
    };
    let finding = Finding {
        lint: Lint::CloseBlocked,
        level,
        certainty: if held + returning > 0 {
            Certainty::Certain
        } else {
            Certainty::Unknown
        },
        cause,
        title: format!(
            "pool {name} has been closing for {} and waits for {}",
            short(waited),
            count(held + returning, "handle")
        ),
        verdict: None,
        primary: closing.place.to_call_site(),
        label: "waits here".to_owned(),
        function: closing.place.function.map(|function| function.name().to_owned()),
        pool: Some(name.to_string()),
        related: holders(claims),
        facts: vec![fact("waited", short(waited)), permits(pool)],
        help: vec![
            "end the tasks that hold the handles, and await them, before `pool.close().await`".to_owned(),
            "in a task that lives long, watch for the end: `pool.close_event().do_until(work).await`".to_owned(),
        ],
        notes: closing_notes(Lint::CloseBlocked, closing.place.function, Some(pool)),
    };
    let _told = finding.tell(Audience {
        span: &closing.span,
        collector: closing
            .scope
            .as_ref()
            .and_then(|scope| scope.collector().cloned()),
        path: Path::Aside,
        log: Log::Full,
    });
}

fn permits_are(number: u64) -> String {
    match number {
        1 => "1 is".to_owned(),
        number => format!("{number} are"),
    }
}
