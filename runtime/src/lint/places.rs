//! The places at which permits are held and waited for.

use std::sync::Arc;
use std::time::Instant;

use super::describe::{doing, last, states, taker};
use super::own_wait::{OwnWait, Waiting};
use crate::finding::Related;
use crate::handle::Handle;
use crate::measure::units::{count, short};
use crate::source::place::Place;

/// This many places are listed one by one.
pub(super) const LISTED: usize = 6;

/// The handles that are held, grouped by place, the place of the oldest first.
pub(super) fn holders(claims: &[Arc<Handle>]) -> Vec<Related> {
    let now = Instant::now();
    let waiting = Waiting::among(claims);
    let held = claims.iter().filter(|claim| claim.is_held());
    let groups = Group::all(held.map(|claim| &**claim));
    let mut places: Vec<Related> = groups
        .iter()
        .take(LISTED)
        .map(|group| holder(group, &waiting, now))
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

fn holder<'a>(group: &Group<'a>, waiting: &Waiting<'a>, now: Instant) -> Related {
    let own_wait = OwnWait::of(group.oldest(), waiting);
    let oldest = group.oldest().read(now);
    let doing = match own_wait {
        Some(own_wait) if own_wait.is_known() => "waiting for a permit itself".to_owned(),
        _ => doing(&oldest).to_string(),
    };
    let mut since = last(&oldest)
        .map(|last| format!(", {last}"))
        .unwrap_or_default();
    for state in states(&oldest) {
        since += &format!(", {state}");
    }
    let reserved = oldest
        .reserved
        .as_ref()
        .map(|reason| format!(" (reserved: {reason})"))
        .unwrap_or_default();
    let label = match group.len() as u64 {
        1 => format!(
            "{} holds 1 permit{reserved} for {}, {doing}{since}",
            taker(group.place()),
            short(oldest.age)
        ),
        permits => format!(
            "{} holds {}{reserved}, the oldest for {}, {doing}{since}",
            taker(group.place()),
            count(permits, "permit"),
            short(oldest.age)
        ),
    };
    Related::new(label, group.place())
}

/// The acquires that wait, by place, except at the primary place.
pub(super) fn waiters(claims: &[Arc<Handle>], primary: Place) -> Vec<Related> {
    let waiting = claims.iter().filter(|claim| claim.is_waiting());
    let groups = Group::all(waiting.map(|claim| &**claim));
    let others = groups
        .iter()
        .filter(|group| !group.place().is_same(primary));
    others
        .take(LISTED)
        .map(|group| {
            let label = match group.len() as u64 {
                1 => format!("{} waits here as well", taker(group.place())),
                acquires => format!("{} wait here as well", count(acquires, "acquire")),
            };
            Related::new(label, group.place())
        })
        .collect()
}

/// Handles of one place, oldest first.
pub(super) struct Group<'a> {
    pub(super) handles: Vec<&'a Handle>,
}

impl<'a> Group<'a> {
    /// Groups by place, in the order of the oldest handles.
    pub(super) fn all(handles: impl IntoIterator<Item = &'a Handle>) -> Vec<Self> {
        Self::by(handles, |_, _| true)
    }

    /// Groups by place and pool.
    pub(super) fn of_pools(handles: impl IntoIterator<Item = &'a Handle>) -> Vec<Self> {
        Self::by(handles, |one, other| one.pool.id() == other.pool.id())
    }

    fn by(
        handles: impl IntoIterator<Item = &'a Handle>,
        alike: impl Fn(&Handle, &Handle) -> bool,
    ) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for handle in handles {
            let known = groups
                .iter_mut()
                .find(|group| group.place().is_same(handle.place) && alike(group.oldest(), handle));
            match known {
                Some(group) => group.handles.push(handle),
                None => groups.push(Self {
                    handles: vec![handle],
                }),
            }
        }
        groups
    }

    pub(super) fn oldest(&self) -> &'a Handle {
        self.handles[0]
    }

    pub(super) fn place(&self) -> Place {
        self.oldest().place
    }

    pub(super) fn len(&self) -> usize {
        self.handles.len()
    }
}
