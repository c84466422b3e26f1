//! How findings describe handles, permits and places.

use crate::finding::{Fact, Lint, Numbers};
use crate::handle::Handle;
use crate::measure::units::{count, short};
use crate::pool_state::PoolState;
use crate::pool_state::counters::Hold;
use crate::snapshot::{Activity, HandleInfo};
use crate::source::function::Function;
use crate::source::place::Place;

/// The name of what is held, with its article.
pub(super) fn noun(info: &HandleInfo) -> &'static str {
    match (info.activity, info.transaction_depth) {
        (Activity::Streaming, _) => "a row stream",
        (_, 0) => "a connection",
        (_, _) => "a transaction",
    }
}

pub(super) fn definite(noun: &str) -> String {
    noun.replacen("a ", "the ", 1)
}

/// The function that asked for a handle; without one, the place.
pub(super) fn taker(place: Place) -> String {
    place.function.map_or_else(
        || format!("code at {}:{}", place.file, place.line),
        |function| function.name().to_owned(),
    )
}

/// `1 acquire was`, `2 acquires were`.
pub(super) fn acquires_were(number: u64) -> String {
    let was = if number == 1 { "was" } else { "were" };
    format!("{} {was}", count(number, "acquire"))
}

/// What holds a handle now: a function, or a value of the task in which a function returned it.
pub(super) fn holder(handle: &Handle) -> String {
    let taker = taker(handle.place);
    if handle.left_in().is_some() {
        return format!("a value that {taker} returned");
    }
    match handle.scope() {
        Some(scope) if handle.handed_up_at().is_some() => scope.function().name().to_owned(),
        _ => taker,
    }
}

/// The activity of a handle, as a fact.
pub(super) fn doing(info: &HandleInfo) -> Fact {
    match info.activity {
        Activity::Idle => Fact::new("idle for", short(info.idle.unwrap_or_default())),
        Activity::Busy => Fact::new("now", "running a statement"),
        Activity::Streaming => Fact::new("streaming,", count(info.stream_rows, "row") + " read"),
        Activity::Lent => lent(info).unwrap_or_else(|| {
            Fact::new(
                "was lent",
                "to plain sqlx, and has not been used through its handle since",
            )
        }),
    }
}

/// What the database does not show of a handle's connection: each a fact that begins with a verb.
pub(super) fn states(info: &HandleInfo) -> Vec<Fact> {
    let transaction = info.transaction.as_ref();
    let failure = transaction.and_then(|transaction| transaction.failure.as_ref());
    let failed = failure.map(|failure| {
        let has = if failure.rolled_back {
            "has rolled back"
        } else {
            "has failed"
        };
        let ago = short(failure.age);
        Fact::new(
            "is",
            format!("in a transaction that the database {has}, {ago} ago"),
        )
    });
    let locked = transaction.and_then(|transaction| transaction.write_lock);
    let locked = locked.map(|lock| {
        let (may, have) = if lock.certain {
            ("has", "had")
        } else {
            ("may", "have had")
        };
        let age = short(lock.age);
        Fact::new(may, format!("{have} SQLite's lock for writing for {age}"))
    });
    let locks = &info.session_locks;
    let session = (!locks.is_empty()).then(|| {
        let number = u64::try_from(locks.len()).unwrap_or(u64::MAX);
        let functions = locks.join(", ");
        Fact::new(
            "has",
            format!("{} ({functions})", count(number, "session lock")),
        )
    });
    failed.into_iter().chain(locked).chain(session).collect()
}

/// Whether a statement has begun the open transaction, so that there is no `Transaction` value.
pub(super) fn is_begun_by_statement(info: &HandleInfo) -> bool {
    let transaction = info.transaction.as_ref();
    transaction.is_some_and(|transaction| transaction.by_statement)
}

/// The function that was lent the connection, as a fact.
pub(super) fn lent(info: &HandleInfo) -> Option<Fact> {
    let to = info.lent_to.as_ref()?;
    let function = &to.function;
    let since = match (to.returned, info.activity) {
        (false, _) => "which has not returned",
        (true, Activity::Lent) => "which has returned; whether it is still in use is not seen",
        (true, _) => "which has returned",
    };
    Some(Fact::new("was lent", format!("to {function}, {since}")))
}

/// The last operation of a handle, and its place.
pub(super) fn last(info: &HandleInfo) -> Option<Fact> {
    let last = info.operations.first()?;
    let at = last
        .site
        .as_ref()
        .map(|site| format!(" at {site}"))
        .unwrap_or_default();
    Some(Fact::new("last", format!("{}{at}", last.summary)))
}

/// All facts about a live handle.
pub(super) fn facts(info: &HandleInfo, max_connections: u32) -> Vec<Fact> {
    let mut facts = vec![Fact::new("held for", short(info.age)), doing(info)];
    if info.transaction_depth > 1 {
        let savepoints = count(u64::from(info.transaction_depth - 1), "savepoint");
        facts.push(Fact::new("inside", savepoints));
    }
    facts.extend(states(info));
    facts.push(Fact::new("after", count(info.statements, "statement")));
    facts.extend(last(info));
    facts.push(permit(info, max_connections));
    facts
}

pub(super) fn permit(info: &HandleInfo, max_connections: u32) -> Fact {
    let permits = count(u64::from(max_connections), "permit");
    Fact::new("holds", format!("1 of {permits} of pool {}", info.pool))
}

/// How the time of a hold was spent.
pub(super) fn split(info: &HandleInfo) -> Fact {
    let hold = Hold {
        busy: info.busy_total,
        idle: info.idle_total,
        lent: info.lent_total,
    };
    Fact::new("spent", hold.split())
}

/// How to allow the lint in this place, and where to read more.
pub(super) fn closing_notes(
    lint: Lint,
    function: Option<&Function>,
    pool: Option<&PoolState>,
) -> Vec<String> {
    let allow = match (function, pool) {
        (Some(_), _) => format!("#[track(allow({lint}, reason = \"…\"))]"),
        (None, Some(pool)) => format!("SQLX_LEASH=\"{lint}[{}]=allow\"", pool.name()),
        (None, None) => format!("SQLX_LEASH=\"{lint}=allow\""),
    };
    vec![format!(
        "to allow this, `{allow}`; read more: `leash::explain(Lint::{lint:?})`"
    )]
}

/// The numbers of a pool, for programs.
pub(super) fn numbers_of(pool: &PoolState) -> Numbers {
    Numbers {
        waiting: Some(pool.permits.waiting()),
        max_connections: Some(pool.limits.max_connections),
        ..Numbers::default()
    }
}

/// The numbers of a handle and its pool, for programs.
pub(super) fn numbers_of_handle(info: &HandleInfo, pool: &PoolState) -> Numbers {
    Numbers {
        held: Some(info.age),
        idle: info.idle,
        ..numbers_of(pool)
    }
}

/// The permits of a pool, as one fact.
pub(super) fn permits(pool: &PoolState) -> Fact {
    let waiting = pool.permits.waiting();
    Fact::new(
        "permits held",
        format!(
            "{} of {}, {waiting} waiting",
            pool.held(),
            pool.limits.max_connections
        ),
    )
}
