//! Whether a handle is held while another acquire waits.
//!
//! A scope holds its handles for the futures that it awaits, but not for those that run beside it in a `join!`.

use super::asked::Purpose;
use super::{Handle, Standing};
use crate::finding::Certainty;
use crate::scope::Scope;
use crate::site::Site;
use crate::snapshot::Activity;
use crate::source::function::Function;

impl Handle {
    /// Whether this handle's scope keeps it while `taker` waits, and how certain that is; `None` if it does not.
    ///
    /// `inner` is the scope in which `taker` was requested.
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

    /// The same, where `around` is this handle's scope, and `below` the next scope on the way from there to `taker`.
    pub(crate) fn is_held_by(
        &self,
        around: &Scope,
        below: Option<&Scope>,
        taker: &Handle,
    ) -> Option<Certainty> {
        let Standing::Held(since) = self.glance().standing else {
            return None;
        };
        // A claim that was requested before this permit was granted runs beside this handle. The permit of a single
        // statement is held by the statement's own future, and is released with it.
        if taker.asked < since || self.purpose == Purpose::Statement || self.is_reserved() {
            return None;
        }
        let function = around.function();
        let one_after_another = function.is_straight() || !function.has_body();
        // `task` stands for a waker. A combinator that polls many futures in one task gives each of them its own waker.
        let is_apart = self.task.is_some() && taker.task.is_some() && self.task != taker.task;
        if let Some(handed_up_at) = self.handed_up_at() {
            if is_apart {
                return None;
            }
            if function.keeps(handed_up_at) {
                return Some(Certainty::Certain);
            }
            let position = position_in(function, below, taker);
            let holds = function.still_holds(handed_up_at, position);
            return holds
                .unwrap_or(one_after_another)
                .then_some(Certainty::Likely);
        }
        let own = self
            .site
            .filter(|site| std::ptr::eq(site.function(), function) || !function.has_body());
        let Some(site) = own else {
            // The scope holds it, but where it was taken in the scope is not known.
            return (one_after_another && !is_apart).then_some(Certainty::Likely);
        };
        let position = position_in(site.function(), below, taker);
        let is_around = match position {
            Some((line, column)) => site.is_in_block(line, column),
            None => !site.has_block() || !function.has_body(),
        };
        if !is_around {
            return None;
        }
        // A block may run many times at once, each time with its own variables.
        let is_itself = taker.site.is_some_and(|taker| std::ptr::eq(taker, site));
        if site.has_block() && (is_apart || is_itself) {
            return None;
        }
        if site.stays() && !site.has_block() {
            return Some(Certainty::Certain);
        }
        if let Some(awaited_at) = self.awaited_at
            && !site.stays()
            && let Some(holds) = function.still_holds(awaited_at, position)
        {
            return (holds && !is_apart).then_some(Certainty::Likely);
        }
        (site.stays() || one_after_another || self.is_stream_left_standing())
            .then_some(Certainty::Likely)
    }

    /// Whether a callee returned it to `around`, and it is not known where in there it is. It may have moved to another
    /// task.
    pub(crate) fn is_handed_on(&self, around: &Scope) -> bool {
        self.handed_up_at().is_some_and(|handed_up_at| {
            let function = around.function();
            !function.keeps(handed_up_at) && function.still_holds(handed_up_at, None).is_none()
        })
    }

    /// Whether the consumer of its stream has a row and is not asking for the next one.
    pub(crate) fn is_stream_left_standing(&self) -> bool {
        self.state().activity == Activity::Streaming && !self.stream.are_awaited()
    }
}

/// Where `function` awaits what `taker` waits for: at the call of `below`, or at the acquire itself.
fn position_in(function: &Function, below: Option<&Scope>, taker: &Handle) -> Option<(u32, u32)> {
    match below {
        Some(below) => function.position_of(below.polled_at()),
        None => taker
            .site
            .filter(|taker| std::ptr::eq(taker.function(), function))
            .map(Site::position),
    }
}
