//! Permits are in use, and no known handle, waiter or return accounts for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use super::Reaction;
use super::describe::{numbers_of, permits, taker};
use super::emit::Audience;
use super::judge::judge;
use super::places::holders;
use super::unread;
use crate::config::Rules;
use crate::finding::{Certainty, Finding, Level, Lint};
use crate::handle::{Handle, Standing};
use crate::log;
use crate::measure::freeze;
use crate::measure::units::{count, short};
use crate::pool_state::registry::ErasedPool;

/// The number of connections in use that no handle, waiter or return accounts for. Each waiter counts as connecting; so does
/// sqlx itself, where the pool has a minimum of connections.
pub(crate) fn unexplained(pool: &dyn ErasedPool) -> u64 {
    let state = pool.state();
    let permits = &state.permits;
    // In this order, a claim that changes its state meanwhile counts twice rather than not at all.
    let in_use = u64::from(pool.size().saturating_sub(pool.idle()));
    let known = permits.waiting() + permits.taken();
    let sqlx_may_connect =
        !state.endpoint.system.is_embedded() && pool.size() <= state.limits.min_connections;
    in_use.saturating_sub(known + u64::from(sqlx_may_connect))
}

/// Since when permits of a pool are unaccounted for, and whether that was reported.
#[derive(Debug, Default)]
pub(crate) struct Unaccounted {
    since: Option<Instant>,
    reported: bool,
}

impl Unaccounted {
    /// Whether a further sample is needed.
    pub(crate) fn is_on(&self) -> bool {
        self.since.is_some()
    }
}

/// One sample of `pool`.
pub(crate) fn unaccounted_connections(
    rules: &Rules,
    pool: &dyn ErasedPool,
    claims: impl Fn() -> Vec<Arc<Handle>>,
    unaccounted: &mut Unaccounted,
    now: Instant,
) {
    // A connection that was released while the process stood still could not be returned.
    let thawed = freeze::thawed();
    let lived = |since| thawed.lived(since, now);
    let state = pool.state();
    let name = state.name();
    let Some(limit) = rules.time(Lint::UnaccountedConnections, None, Some(&name)) else {
        return;
    };
    let claims = if state.permits.returning() > 0 || unaccounted.is_on() {
        claims()
    } else {
        Vec::new()
    };
    let hanging: Vec<(&Handle, Instant)> = claims
        .iter()
        .filter_map(|claim| match claim.glance().standing {
            Standing::Returning(since) if lived(since) >= limit => Some((&**claim, since)),
            _ => None,
        })
        .collect();
    let unexplained = if state.lent_at().is_some() || pool.is_closed() {
        0
    } else {
        unexplained(pool)
    };
    if unexplained == 0 && hanging.is_empty() {
        if std::mem::take(unaccounted).reported {
            log::pool_recovered(state, "every permit is accounted for again");
        }
        return;
    }
    let since = *unaccounted.since.get_or_insert(now);
    let is_old = lived(since) >= limit || !hanging.is_empty();
    let level = judge(rules, Lint::UnaccountedConnections, None, Some(&name));
    let Some(level) = level.filter(|_| is_old && !unaccounted.reported) else {
        return;
    };
    unaccounted.reported = true;
    let ago = |since| now.saturating_duration_since(since);
    let none = Span::none();
    let (finding, span) = match hanging.first() {
        Some((first, since)) => (
            hanging_return(first, ago(*since), hanging.len(), level),
            &*first.span,
        ),
        None => (
            untracked_use(pool, unexplained, ago(since), &claims, level),
            &none,
        ),
    };
    let _: Reaction = finding.report(Audience::of_pool(span, &claims));
}

/// `hanging` connections were released and are not free yet; `handle`, the first of them, was released `gone` ago.
fn hanging_return(handle: &Handle, gone: Duration, hanging: usize, level: Level) -> Finding {
    let name = handle.pool.name();
    let gone = short(gone);
    let title = match hanging {
        1 => format!(
            "a connection of pool {name} was released {gone} ago, and its permit is not free yet"
        ),
        hanging => format!(
            "{hanging} connections of pool {name} were released, the first {gone} ago, and their permits are not free yet"
        ),
    };
    let finding = Finding::of(Lint::UnaccountedConnections, level, handle.place)
        .title(title)
        .label(format!("taken here, in {}", taker(handle.place)))
        .pool(&name)
        .holder(handle.place)
        .numbers(numbers_of(&handle.pool))
        .fact("returning for", gone)
        .fact("returns that hang", hanging.to_string())
        .facts([permits(&handle.pool)]);
    if let Some(unread) = handle.reads_on(Instant::now()).or_else(|| handle.runs_on()) {
        return finding
            .cause(Certainty::Likely, unread::cause(&unread))
            .all_related(unread::place(&unread))
            .helps(unread::help(handle, &unread))
            .note(READ_MORE);
    }
    finding
        .certain(
            "the return hangs: before a permit is free again, sqlx runs `after_release` and pings the server, without a \
             time limit, and one of the two does not end",
        )
        .help(
            "limit the time of a return: `leash::Config::new().return_timeout(Duration::from_secs(10)).install()` \
             or `SQLX_LEASH=\"return_timeout=10s\"`; the connection is then closed and its permit is free again",
        )
        .help(LOOK_AT_THE_SERVER)
        .note(READ_MORE)
}

const LOOK_AT_THE_SERVER: &str = "look at the server and the network between: a peer that went silent, a firewall that drops packets";
const READ_MORE: &str = "read more: `leash::explain(Lint::UnaccountedConnections)`";

fn untracked_use(
    pool: &dyn ErasedPool,
    unexplained: u64,
    since: Duration,
    claims: &[Arc<Handle>],
    level: Level,
) -> Finding {
    let state = pool.state();
    let name = state.name();
    let in_use = pool.size().saturating_sub(pool.idle());
    let (cause, help) = if state.is_shared() {
        (
            "it looks like untracked use: some code takes connections from the plain sqlx pool that this one was made from",
            "where other code needs plain sqlx's pool, pass it `pool.as_sqlx()`: its permits then count as lent",
        )
    } else {
        (
            "it looks like a connection that hangs while sqlx itself returns or closes it (a listener's, a COPY's, an idle one): \
             no other code has the plain pool, and sqlx waits for a silent server without a time limit",
            LOOK_AT_THE_SERVER,
        )
    };
    let (are, them) = if unexplained == 1 {
        ("is", "it")
    } else {
        ("are", "them")
    };
    Finding::of(Lint::UnaccountedConnections, level, state.connected)
        .at_fault(None)
        .title(format!(
            "{unexplained} of {} of pool {name} {are} in use, and no known handle holds {them}",
            count(u64::from(state.limits.max_connections), "permit"),
        ))
        .label("connected here")
        .pool(&name)
        .cause(Certainty::Likely, cause)
        .all_related(holders(claims))
        .numbers(numbers_of(state))
        .fact("in use", in_use.to_string())
        .facts([permits(state)])
        .fact("unaccounted for", short(since))
        .help(help)
        .note(READ_MORE)
}
