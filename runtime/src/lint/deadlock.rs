//! Every permit is held by a scope that waits for one.

use std::time::{Duration, Instant};

use super::Reaction;
use super::advice::{Second, release_before};
use super::demand::note_nesting;
use super::describe::{closing_notes, holder, numbers_of, taker};
use super::emit::Audience;
use super::judge::judge_handle;
use super::places::{Group, LISTED};
use super::wait_for::{Deadlock, Edge};
use crate::config::Rules;
use crate::finding::{Certainty, Fact, Finding, Lint, Numbers, Related};
use crate::handle::Handle;
use crate::measure::units::{count, short};

/// Reports a deadlock. Where the lint is at deny, the waiter that came last must panic.
pub(crate) fn pool_deadlock(rules: &Rules, deadlock: &Deadlock) -> Reaction {
    let Some(Edge { waiter: last, .. }) = deadlock.last() else {
        return Reaction::Go;
    };
    let Some(level) = judge_handle(rules, Lint::PoolDeadlock, last) else {
        return Reaction::Go;
    };
    deadlock.waiters.iter().for_each(|it| note_nesting(it));
    let finding = Finding::of(Lint::PoolDeadlock, level, last.place)
        .title(title(deadlock, last))
        .label(format!("waits here, in {}", taker(last.place)))
        .pool(&last.pool.name())
        .cause(deadlock.certainty, cause(deadlock))
        .all_related(places(deadlock))
        .facts(facts(deadlock, last))
        .holder_if_any(deadlock.holders().next().map(|held| held.place))
        .waiter(last.place)
        .numbers(Numbers {
            waited: Some(longest_wait(deadlock)),
            ..numbers_of(&last.pool)
        })
        .helps(help(deadlock))
        .notes(closing_notes(
            Lint::PoolDeadlock,
            last.place.function,
            Some(&last.pool),
        ));
    // The waiter panics, in its own poll.
    finding.report(Audience {
        may_panic: true,
        ..Audience::watching(last)
    })
}

/// The names of the pools of the holders.
fn pools(deadlock: &Deadlock) -> Vec<String> {
    let mut names: Vec<_> = deadlock
        .holders()
        .map(|held| held.pool.name().to_string())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn title(deadlock: &Deadlock, last: &Handle) -> String {
    let waits = format!(
        "{} waits for a permit of pool {}",
        taker(last.place),
        last.pool.name()
    );
    let permits = deadlock.edges.len();
    let by = match (deadlock.holders().any(|it| it.left_in().is_some()), permits) {
        (true, _) => "code that waits",
        (false, 1) => "a scope that waits",
        (false, _) => "scopes that wait",
    };
    match &pools(deadlock)[..] {
        [_] if permits == 1 => {
            format!("{waits}, and the only permit is held by {by} for one")
        }
        [_] => format!("{waits}, and all {permits} permits are held by {by} for one"),
        pools => format!(
            "{waits}, and all {permits} permits of pools {} are held by {by} for one of them",
            pools.join(" and ")
        ),
    }
}

pub(super) fn cause(deadlock: &Deadlock) -> String {
    match (deadlock.certainty, &deadlock.doubt) {
        (Certainty::Certain, _) | (_, None) => {
            "each holder awaits an acquire and keeps its handle meanwhile: none can continue before another one does"
                .to_owned()
        }
        (_, Some(doubt)) => {
            format!("each holder has an acquire that waits; it is not certain that none can continue, because {doubt}")
        }
    }
}

/// The places where the permits are held, the functions from there to the last wait, and the places of the other waits.
pub(super) fn places(deadlock: &Deadlock) -> Vec<Related> {
    let now = Instant::now();
    let is_across = pools(deadlock).len() > 1;
    let of = |handle: &Handle| {
        if is_across {
            format!(" of pool {}", handle.pool.name())
        } else {
            String::new()
        }
    };
    let mut places: Vec<Related> = Group::of_pools(deadlock.holders().map(|held| &**held))
        .iter()
        .take(LISTED)
        .map(|group| {
            let oldest = group.oldest();
            let (by, of) = (holder(oldest), of(oldest));
            let age = short(oldest.read(now).age);
            let holds = match group.len() as u64 {
                1 => format!("{by} has held 1 permit{of} for {age}"),
                permits => format!(
                    "{by} has held {}{of}, the oldest for {age}",
                    count(permits, "permit")
                ),
            };
            Related::new(holds, group.place())
        })
        .collect();
    let Some(last) = deadlock.last() else {
        return places;
    };
    let between = last.holder.functions_between(&last.waiter).into_iter();
    places.extend(between.map(|function| Related::new("called through here", function.place())));
    let others = Group::of_pools(deadlock.waiters.iter().map(|waiter| &**waiter));
    let others = others.iter().filter(|group| {
        !group.place().is_same(last.waiter.place)
            || group.oldest().pool.id() != last.waiter.pool.id()
    });
    places.extend(others.take(LISTED).map(|group| {
        let of = of(group.oldest());
        let waits = match group.len() as u64 {
            1 => format!("another acquire{of} waits here"),
            waiters => format!("{waiters} other acquires{of} wait here"),
        };
        Related::new(waits, group.place())
    }));
    places
}

fn facts(deadlock: &Deadlock, last: &Handle) -> [Fact; 4] {
    [
        Fact::new("permits", deadlock.edges.len().to_string()),
        Fact::new("waiters", deadlock.waiters.len().to_string()),
        Fact::new("longest wait", short(longest_wait(deadlock))),
        Fact::new("acquire_timeout", short(last.pool.limits.acquire_timeout)),
    ]
}

fn longest_wait(deadlock: &Deadlock) -> Duration {
    let now = Instant::now();
    let waits = deadlock.waiters.iter().map(|waiter| waiter.has_waited(now));
    waits.max().unwrap_or_default()
}

pub(super) fn help(deadlock: &Deadlock) -> Vec<String> {
    let Some(Edge { holder, waiter }) = deadlock.last() else {
        return Vec::new();
    };
    let held = holder.read(Instant::now());
    if holder.pool.id() == waiter.pool.id() {
        let second = Second {
            handle: waiter,
            first: holder,
            between: &holder.functions_between(waiter),
        };
        return second.helps(&held);
    }
    vec![
        format!(
            "where connections of {} are needed at once, acquire them in the same order everywhere",
            pools(deadlock).join(" and ")
        ),
        release_before(&held),
    ]
}
