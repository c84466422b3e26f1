//! A pool's options contradict themselves or its database. Judged once, where the pool is made.
//!
//! One function a check: it returns the finding that it would report. Where several object, one finding says all of it.

use tracing::Span;

mod limits;

use super::Reaction;
use super::describe::{closing_notes, numbers_of};
use super::emit::{Audience, Log};
use super::judge::judge;
use crate::config;
use crate::finding::{Certainty, Fact, Finding, Level, Lint};
use crate::measure::units::{count, short};
use crate::pool_state::PoolState;
use crate::pool_state::endpoint::Limits;
use crate::pool_state::in_memory::InMemory;
use crate::scope::context;

/// What is known of a pool when it is made.
struct Made<'a> {
    pool: &'a PoolState,
    level: Level,
}

/// The pool has just been made; `database` is the in-memory database that it leads to. Where the lint is at deny, the caller must
/// panic.
pub(crate) fn pool_settings(pool: &PoolState, database: Option<InMemory>) -> Reaction {
    let (lint, function) = (Lint::PoolSettings, pool.connected.function);
    let Some(level) = judge(&config::rules(), lint, function, Some(&pool.name())) else {
        return Reaction::Go;
    };
    let Some(finding) = all_in_one(objections(&Made { pool, level }, database)) else {
        return Reaction::Go;
    };
    let scope = context::scope();
    finding
        .notes(closing_notes(lint, function, Some(pool)))
        .report(Audience {
            span: &Span::current(),
            collector: scope.as_ref().and_then(|scope| scope.collector().cloned()),
            scope,
            may_panic: true,
            log: Log::PerCause,
        })
}

/// A finding for each check that objects.
fn objections(made: &Made<'_>, database: Option<InMemory>) -> Vec<Finding> {
    let lost = database.and_then(|database| {
        one_database_for_each_connection(made, database)
            .or_else(|| last_connection_may_close(made, database))
    });
    // The fix for a database that is lost switches both times off.
    let times = lost.is_none().then(|| limits::times(made));
    limits::no_time_to_acquire(made)
        .into_iter()
        .chain(lost)
        .chain(limits::minimum_above_maximum(made))
        .chain(times.into_iter().flatten())
        .collect()
}

/// The first finding that is certain, with what the others say.
fn all_in_one(mut findings: Vec<Finding>) -> Option<Finding> {
    findings.sort_by_key(|finding| finding.certainty != Certainty::Certain);
    findings.into_iter().reduce(|first, other| {
        first
            .facts(other.facts)
            .helps(other.help)
            .note(format!("also: {}", other.title))
    })
}

impl Made<'_> {
    /// A finding about the pool, without its title and its cause.
    fn finding(&self) -> Finding {
        Finding::of(Lint::PoolSettings, self.level, self.pool.connected)
            .label("connected here")
            .numbers(numbers_of(self.pool))
            .pool(&self.pool.name())
    }

    /// The pool's option type.
    fn options(&self) -> &'static str {
        match self.pool.endpoint.connection {
            "AnyConnection" => "AnyPoolOptions",
            _ => "SqlitePoolOptions",
        }
    }
}

/// Several connections, where each has a database of its own.
fn one_database_for_each_connection(made: &Made<'_>, database: InMemory) -> Option<Finding> {
    let limits = &made.pool.limits;
    if !database.is_of_connection() || limits.max_connections < 2 {
        return None;
    }
    let (name, noun) = (made.pool.name(), database.noun());
    let share = match made.options() {
        "AnyPoolOptions" => {
            "name the database, so that the connections share it: `\"sqlite:file:NAME?mode=memory\"`"
        }
        _ => {
            "let the connections share one database: `\"sqlite::memory:\".parse::<SqliteConnectOptions>()?`"
        }
    };
    let finding = made
        .finding()
        .title(format!(
            "pool {name} may open {}, and each has {} of its own",
            count(u64::from(limits.max_connections), "connection"),
            article(noun),
        ))
        .certain(format!(
            "SQLite makes {} for each connection: a table that one connection creates is missing on the others",
            article(noun)
        ))
        .fact("max_connections", limits.max_connections.to_string())
        .help(format!("{share}, with `.idle_timeout(None).max_lifetime(None)`"))
        .help("or open one connection: `.max_connections(1).idle_timeout(None).max_lifetime(None)`")
        .help(FILE);
    Some(finding)
}

/// The pool may close the last connection to its database, which SQLite then deletes.
fn last_connection_may_close(made: &Made<'_>, database: InMemory) -> Option<Finding> {
    let limits = &made.pool.limits;
    if limits.idle_timeout.is_none() && limits.max_lifetime.is_none()
        || keeps_connections(limits, database)
    {
        return None;
    }
    let (name, noun) = (made.pool.name(), database.noun());
    let options = made.options();
    let certainty = if database.may_be_kept_elsewhere() || has_minimum(limits, database) {
        Certainty::Likely
    } else {
        Certainty::Certain
    };
    let finding = made
        .finding()
        .title(format!(
            "pool {name} loses its {noun} when it closes the last connection: {}",
            when(limits)
        ))
        .cause(
            certainty,
            format!(
                "SQLite deletes {} with its last connection; the next connection opens an empty one",
                article(noun)
            ),
        )
        .facts(timeouts(limits))
        .help(format!(
            "never close a connection for its age or idle time: `{options}::new().idle_timeout(None).max_lifetime(None)`"
        ))
        .help(FILE)
        .notes(kept_elsewhere(database))
        .notes(minimum(limits, database))
        .note("a process that ends before then, such as a test, loses nothing");
    Some(finding)
}

const FILE: &str = "or keep the data in a file: `sqlite://data.db?mode=rwc`";

/// Whether at least one connection is open at any time.
///
/// sqlx closes idle connections one after the other, and opens another one where fewer than the minimum are left. It does that
/// after it has closed the old one, so that a minimum of one is not enough. A connection that is too old is also closed when it is
/// given back, and several can be given back at once.
fn keeps_connections(limits: &Limits, database: InMemory) -> bool {
    has_minimum(limits, database) && limits.max_lifetime.is_none()
}

/// Whether the connections share the database, and the pool's minimum is more than one.
fn has_minimum(limits: &Limits, database: InMemory) -> bool {
    let minimum = limits.min_connections.min(limits.max_connections);
    !database.is_of_connection() && minimum > 1
}

/// When the pool closes a connection.
fn when(limits: &Limits) -> String {
    let idle = |time| format!("after {} without use", short(time));
    let old = |time| format!("at the age of {}", short(time));
    match (limits.idle_timeout.map(idle), limits.max_lifetime.map(old)) {
        (Some(idle), Some(old)) => format!("{idle}, or {old}"),
        (idle, old) => idle.or(old).unwrap_or_default(),
    }
}

fn timeouts(limits: &Limits) -> impl Iterator<Item = Fact> {
    [limits::idle_timeout(limits), limits::max_lifetime(limits)]
        .into_iter()
        .flatten()
}

/// Who else may keep the database.
fn kept_elsewhere(database: InMemory) -> Option<String> {
    database.may_be_kept_elsewhere().then(|| {
        "the database stays as long as any connection to it is open, also one of another pool"
            .to_owned()
    })
}

/// Why the pool's minimum does not keep the database.
fn minimum(limits: &Limits, database: InMemory) -> Option<String> {
    let why = match limits.min_connections {
        0 => return None,
        _ if has_minimum(limits, database) => "connections of one age can be closed at once",
        _ => "the pool closes a connection before it opens another one in its place",
    };
    let minimum = limits.min_connections;
    Some(format!(
        "`min_connections({minimum})` does not keep the database: {why}"
    ))
}

/// `an in-memory database`, `a temporary database`.
fn article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}
