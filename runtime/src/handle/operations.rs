//! The last operations of a handle.

use std::time::Instant;

use crate::pool_state::counters::Control;
use crate::site::Site;
use crate::site::tally::Tally;
use crate::snapshot::Operation;
use crate::source::place::Place;

/// A handle remembers this many operations.
const REMEMBERED: usize = 4;

/// A statement or a control operation.
pub(super) enum What {
    Statement(&'static Tally),
    Control(Control, Option<&'static Site>),
}

/// An operation and when it began.
pub(super) struct Done {
    pub(super) what: What,
    when: Instant,
}

/// The last operations that began on a handle.
#[derive(Default)]
pub(super) struct Operations {
    done: [Option<Done>; REMEMBERED],
    latest: usize,
}

impl Operations {
    pub(super) fn note(&mut self, what: What, when: Instant) {
        self.latest = (self.latest + 1) % REMEMBERED;
        self.done[self.latest] = Some(Done { what, when });
    }

    /// Latest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Done> {
        let (after, before) = self.done.split_at(self.latest + 1);
        after.iter().rev().chain(before.iter().rev()).flatten()
    }
}

impl Done {
    pub(super) fn read(&self, now: Instant) -> Operation {
        let (summary, place) = match &self.what {
            What::Statement(tally) => (tally.summary.clone(), tally.place()),
            What::Control(control, site) => (control.name().to_owned(), site.map(Site::place)),
        };
        Operation {
            summary,
            site: place.map(Place::to_call_site),
            age: now.saturating_duration_since(self.when),
        }
    }
}
