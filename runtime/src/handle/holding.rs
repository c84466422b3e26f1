//! For whom a handle is held: a scope holds for what it awaits, not for what runs beside it in a `join!`.

use super::asked::Purpose;
use super::{Handle, Standing};
use crate::finding::Certainty;
use crate::scope::Scope;
use crate::site::Site;
use crate::snapshot::Activity;

impl Handle {
    /// Whether its scope certainly or likely keeps it while `taker`, which was asked for in `inner`, is waited for.
    pub(crate) fn is_held_for(&self, taker: &Handle, inner: &Scope) -> Option<Certainty> {
        let owner = self.scope()?;
        let mut below = None;
        for around in inner.chain_of_task() {
            if std::ptr::eq(around, &raw const *owner) {
                return self.is_held_by(around, below, taker);
            }
            below = Some(around);
        }
        None
    }

    /// The same where `around` is its scope, and `below` the next one further in on the way to `taker`.
    pub(crate) fn is_held_by(
        &self,
        around: &Scope,
        below: Option<&Scope>,
        taker: &Handle,
    ) -> Option<Certainty> {
        let Standing::Held(since) = self.glance().standing else {
            return None;
        };
        // Who was asked for before this was there runs beside it. The future of a statement holds its permit itself, and
        // ends with it.
        if taker.asked < since || self.purpose == Purpose::Statement || self.is_reserved() {
            return None;
        }
        let function = around.function();
        let one_after_another = function.is_straight() || !function.has_body();
        // What polls many futures in one task wakes each by a waker of its own.
        let is_apart = self.task.is_some() && taker.task.is_some() && self.task != taker.task;
        if let Some(handed_up_at) = self.handed_up_at()
            && function.keeps(handed_up_at)
        {
            return (!is_apart).then_some(Certainty::Certain);
        }
        let own = self.site.filter(|site| {
            let is_around = std::ptr::eq(site.function(), function) || !function.has_body();
            is_around && self.handed_up_by().is_empty()
        });
        let Some(site) = own else {
            // Somewhere in the scope; nothing tells where.
            return (one_after_another && !is_apart).then_some(Certainty::Likely);
        };
        let position = match below {
            Some(below) => site.function().position_of(below.polled_at()),
            None => taker
                .site
                .filter(|taker| std::ptr::eq(taker.function(), site.function()))
                .map(Site::position),
        };
        let is_around = match position {
            Some((line, column)) => site.is_in_block(line, column),
            None => !site.has_block() || !function.has_body(),
        };
        if !is_around {
            return None;
        }
        // A block may run many times side by side, a variable in it is each time another.
        let is_itself = taker.site.is_some_and(|taker| std::ptr::eq(taker, site));
        if site.has_block() && (is_apart || is_itself) {
            return None;
        }
        if site.stays() && !site.has_block() {
            return Some(Certainty::Certain);
        }
        (site.stays() || one_after_another || self.is_stream_left_standing())
            .then_some(Certainty::Likely)
    }

    /// Whether a callee took it, and what became of it here is not known: it may have gone on to another task.
    pub(crate) fn is_handed_on(&self, around: &Scope) -> bool {
        self.handed_up_at()
            .is_some_and(|handed_up_at| !around.function().keeps(handed_up_at))
    }

    /// Its consumer has a row, and does something else than to ask for the next.
    pub(crate) fn is_stream_left_standing(&self) -> bool {
        self.state().activity == Activity::Streaming && !self.stream.are_awaited()
    }
}
