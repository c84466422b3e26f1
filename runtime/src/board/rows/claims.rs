//! Handles that are held, and acquires that wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::words::place;
use crate::config::{self, Rules};
use crate::finding::{Certainty, Level, Lint};
use crate::handle::{Glance, Handle, Standing};
use crate::lint::{self, Waiting};
use crate::measure::units::{count, millis, short};
use crate::snapshot::{Activity, HandleInfo};

/// A handle that is held.
#[derive(Debug, Serialize)]
pub(super) struct Holder {
    id: u64,
    pool: String,
    pool_id: u64,
    age_ms: f64,
    /// Since when it has not used the database.
    idle_ms: Option<f64>,
    state: &'static str,
    /// The number of open transactions and savepoints.
    transaction_depth: u32,
    /// The function that has it.
    function: Option<String>,
    /// Where it was taken.
    at: String,
    /// The function at the root, if that is another one: what was asked of the program.
    request: Option<String>,
    last: Option<Last>,
    statements: u64,
    /// The reason for which it is meant to live long.
    reserved: Option<String>,
    /// The limit that it is nearest to.
    limit: Option<Near>,
    /// What else is to be known of it.
    also: Vec<String>,
    /// The acquire that its holder waits for.
    waits_for: Option<OwnWait>,
}

/// The last operation on a handle.
#[derive(Debug, Serialize)]
struct Last {
    summary: String,
    at: Option<String>,
    age_ms: f64,
}

/// A limit, and how much of it is reached.
#[derive(Debug, Serialize)]
struct Near {
    lint: &'static str,
    limit_ms: f64,
    reached_ms: f64,
}

/// The acquire that a holder waits for.
#[derive(Debug, Serialize)]
struct OwnWait {
    waiter: u64,
    certainty: &'static str,
}

/// An acquire that waits.
#[derive(Debug, Serialize)]
pub(super) struct Waiter {
    id: u64,
    pool: String,
    pool_id: u64,
    age_ms: f64,
    acquire_timeout_ms: f64,
    function: Option<String>,
    at: String,
    request: Option<String>,
}

impl Holder {
    pub(super) fn read(handle: &Handle, waiting: &Waiting<'_>, now: Instant) -> Self {
        let info = handle.read(now);
        let glance = handle.glance();
        let limit = match info.reserved {
            Some(_) => None,
            None => Near::read(&config::rules(), handle, &glance, now),
        };
        Self {
            id: info.id,
            pool_id: info.pool_id,
            age_ms: millis(info.age),
            idle_ms: info.idle.map(millis),
            state: state(handle, &glance),
            transaction_depth: info.transaction_depth,
            at: place(&info.site),
            request: request(handle),
            last: info.operations.first().map(|last| Last {
                summary: last.summary.clone(),
                at: last.site.as_ref().map(place),
                age_ms: millis(last.age),
            }),
            statements: info.statements,
            limit,
            also: also(&info),
            waits_for: lint::waits_for(handle, waiting).map(|(waiter, certainty)| OwnWait {
                waiter: waiter.id(),
                certainty: name_of(certainty),
            }),
            pool: handle.pool.label().to_string(),
            function: info.scope.or(info.site.function),
            reserved: info.reserved,
        }
    }
}

impl Waiter {
    pub(super) fn read(waiter: &Handle, now: Instant) -> Self {
        let scope = waiter.scope();
        let function = scope.as_ref().map(|scope| scope.function());
        Self {
            id: waiter.id(),
            pool: waiter.pool.label().to_string(),
            pool_id: waiter.pool.id(),
            age_ms: millis(waiter.has_waited(now)),
            acquire_timeout_ms: millis(waiter.pool.limits.acquire_timeout),
            function: function
                .or(waiter.place.function)
                .map(|function| function.name().to_owned()),
            at: place(&waiter.place.to_call_site()),
            request: request(waiter),
        }
    }
}

impl Near {
    fn read(rules: &Rules, handle: &Handle, glance: &Glance, now: Instant) -> Option<Self> {
        let Standing::Held(since) = glance.standing else {
            return None;
        };
        let quiet = (glance.activity == Activity::Idle).then_some(glance.since);
        let pool = handle.pool.name();
        [(Lint::HeldIdle, quiet), (Lint::HeldTooLong, Some(since))]
            .into_iter()
            .filter_map(|(lint, since)| {
                let function = glance.function_for(lint);
                let reached = now.saturating_duration_since(since?);
                let limit = rules.time(lint, function, Some(&pool))?;
                let is_judged = rules.level(lint, function, Some(&pool)) != Level::Allow;
                is_judged.then_some((lint, limit, reached))
            })
            .max_by(|one, other| share(one).total_cmp(&share(other)))
            .map(|(lint, limit, reached)| Self {
                lint: lint.name(),
                limit_ms: millis(limit),
                reached_ms: millis(reached),
            })
    }
}

/// How much of the limit is reached.
fn share((_, limit, reached): &(Lint, Duration, Duration)) -> f64 {
    reached.as_secs_f64() / limit.as_secs_f64().max(f64::EPSILON)
}

/// The state of a handle, in a word.
pub(super) fn state(handle: &Handle, glance: &Glance) -> &'static str {
    match glance.activity {
        Activity::Busy | Activity::Streaming => "busy",
        Activity::Lent => "lent",
        Activity::Idle if handle.is_in_transaction() => "idle in transaction",
        Activity::Idle => "idle",
    }
}

pub(super) fn name_of(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "certain",
        Certainty::Likely => "likely",
        Certainty::Unknown => "unknown",
    }
}

/// The function of the root scope, if it is not that of the claim itself.
fn request(claim: &Handle) -> Option<String> {
    let scope = claim.scope()?;
    let root = scope.root();
    (!std::ptr::eq(root, &raw const *scope)).then(|| root.function().name().to_owned())
}

fn also(info: &HandleInfo) -> Vec<String> {
    let mut also = Vec::new();
    if info.stream_rows > 0 {
        also.push(format!(
            "{} of its stream are read",
            count(info.stream_rows, "row")
        ));
    }
    if let Some(lent) = &info.lent_to {
        let returned = if lent.returned {
            ", which has returned"
        } else {
            ""
        };
        also.push(format!("lent to {}{returned}", lent.function));
    }
    if let Some(transaction) = &info.transaction {
        if let Some(failure) = &transaction.failure {
            let failed = if failure.rolled_back {
                "rolled its transaction back"
            } else {
                "has failed its transaction"
            };
            also.push(format!("the database {failed} ({})", failure.code));
        }
        if let Some(lock) = &transaction.write_lock {
            let lock = short(lock.age);
            also.push(format!("SQLite's lock for writing for {lock}"));
        }
    }
    also.extend(
        info.session_locks
            .iter()
            .map(|lock| format!("a session lock by {lock}")),
    );
    if let (None, Some(last)) = (&info.scope, info.handed_up.last()) {
        also.push(format!("out of all scopes since {last} ended"));
    }
    also
}

/// The claims on one pool.
pub(super) fn of_pool(claims: &[Arc<Handle>], pool: u64) -> impl Iterator<Item = &Arc<Handle>> {
    claims.iter().filter(move |claim| claim.pool.id() == pool)
}
