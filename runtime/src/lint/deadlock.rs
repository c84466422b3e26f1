//! Every permit is held by a scope that waits for one.

use std::time::Instant;

use super::describe::{Group, closing_notes, fact, related, taker};
use super::emit::{Audience, Log, Path};
use super::nested::connection_type;
use super::{Certainty, Finding, Level, Lint, Reaction, Related};
use crate::config::Rules;
use crate::handle::Handle;
use crate::units::{count, short};
use crate::watchdog::Stuck;

/// So many places are listed one by one.
const LISTED: usize = 6;

/// Tells of it; where it is at deny, the one who waits since last must panic with the message.
pub(crate) fn pool_deadlock(rules: &Rules, stuck: &Stuck) -> Reaction {
    let Some(last) = stuck.waiters.last() else {
        return Reaction::Go;
    };
    let pool = last.pool.name();
    let level = rules.level(Lint::PoolDeadlock, last.place.function, Some(&pool));
    if level == Level::Allow {
        return Reaction::Go;
    }
    let finding = Finding {
        lint: Lint::PoolDeadlock,
        level,
        certainty: stuck.certainty,
        cause: cause(stuck),
        title: title(stuck),
        verdict: None,
        primary: last.place.to_call_site(),
        label: format!("waits here, in {}", taker(last.place)),
        function: last
            .place
            .function
            .map(|function| function.name().to_owned()),
        pool: Some(pool.to_string()),
        related: places(stuck),
        facts: facts(stuck, last),
        help: help(stuck, last),
        notes: closing_notes(Lint::PoolDeadlock),
    };
    let mut audience = Audience {
        log: Log::Full,
        ..Audience::watching(last)
    };
    // It is the waiter's own poll that panics.
    audience.path = Path::Running;
    finding.tell(audience)
}

/// The names of the pools in it.
fn pools(stuck: &Stuck) -> Vec<String> {
    let mut names: Vec<_> = stuck
        .holders
        .iter()
        .map(|held| held.pool.name().to_string())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn title(stuck: &Stuck) -> String {
    let permits = stuck.holders.len() as u64;
    match &pools(stuck)[..] {
        [pool] if permits == 1 => {
            format!("the only permit of pool {pool} is held by a scope that waits for one")
        }
        [pool] => {
            format!("all {permits} permits of pool {pool} are held by scopes that wait for one")
        }
        pools => format!(
            "all {permits} permits of pools {} are held by scopes that wait for one of them",
            pools.join(" and ")
        ),
    }
}

pub(super) fn cause(stuck: &Stuck) -> String {
    match (stuck.certainty, stuck.doubt) {
        (Certainty::Certain, _) | (_, None) => {
            "each holder awaits an acquire itself, and keeps its handle meanwhile: none can go on before another does"
                .to_owned()
        }
        (_, Some(doubt)) => {
            format!("each holder has an acquire that waits; that none can go on is not certain, because {doubt}")
        }
    }
}

/// Where the permits are held, and where the holders wait.
pub(super) fn places(stuck: &Stuck) -> Vec<Related> {
    let now = Instant::now();
    let mut places: Vec<Related> = Group::all(stuck.holders.iter().map(|held| &**held))
        .iter()
        .take(LISTED)
        .map(|group| {
            let since = short(group.oldest().read(now).age);
            let holds = match group.len() as u64 {
                1 => format!("{} holds 1 permit since {since} ago", taker(group.place())),
                permits => format!(
                    "{} holds {}, the oldest since {since} ago",
                    taker(group.place()),
                    count(permits, "permit")
                ),
            };
            related(holds, group.place())
        })
        .collect();
    let last = stuck.waiters.last();
    let others = Group::all(stuck.waiters.iter().map(|waiter| &**waiter));
    let others = others
        .iter()
        .filter(|group| last.is_none_or(|last| !group.place().is_same(last.place)));
    places.extend(others.take(LISTED).map(|group| {
        let waits = match group.len() as u64 {
            1 => "waits here, too".to_owned(),
            waiters => format!("{waiters} wait here, too"),
        };
        related(waits, group.place())
    }));
    places
}

fn facts(stuck: &Stuck, last: &Handle) -> Vec<super::Fact> {
    let now = Instant::now();
    let longest = stuck
        .waiters
        .iter()
        .map(|waiter| waiter.has_waited(now))
        .max();
    vec![
        fact("permits", stuck.holders.len().to_string()),
        fact("waiters", stuck.waiters.len().to_string()),
        fact("longest wait", short(longest.unwrap_or_default())),
        fact("acquire_timeout", short(last.pool.acquire_timeout)),
    ]
}

pub(super) fn help(stuck: &Stuck, last: &Handle) -> Vec<String> {
    let mut help = vec![format!(
        "take one connection and hand it down: `conn: &mut {}` in {}, called with `&mut *tx` or `&mut *conn`",
        connection_type(last),
        taker(last.place)
    )];
    if pools(stuck).len() > 1 {
        help.push(
            "where two pools are needed at once, take them in the same order everywhere".to_owned(),
        );
    } else {
        help.push(
            "or give the first one back before the second is taken: `tx.commit().await?`, `drop(conn)`"
                .to_owned(),
        );
    }
    help
}
