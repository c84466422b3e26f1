//! Whether a handle is held while another acquire waits.
//!
//! A scope holds its handles for the futures that it awaits, but not for those that run beside it in a `join!`.

use super::asked::Purpose;
use super::{Handle, Standing};
use crate::finding::Certainty;
use crate::scope::{Outwards, Scope};
use crate::site::Site;
use crate::snapshot::Activity;
use crate::source::function::Function;

impl Handle {
    /// Whether this handle's scope keeps it while `taker` waits, and how certain that is; `None` if it does not.
    ///
    /// `inner` is the scope in which `taker` was requested.
    pub(crate) fn is_held_for(&self, taker: &Handle, inner: &Scope) -> Option<Certainty> {
        let owner = self.scope()?;
        let around = inner
            .outwards()
            .find(|around| std::ptr::eq(around.scope, &raw const *owner))?;
        self.is_held_by(around, taker)
    }

    /// The same, where `around` is the step to this handle's scope on the way out from `taker`.
    pub(crate) fn is_held_by(&self, around: Outwards<'_>, taker: &Handle) -> Option<Certainty> {
        let kept = self.is_kept_by(around, taker).or_else(|| {
            self.is_passed_to_callee(around, taker)
                .then_some(Certainty::Likely)
        })?;
        // A task that is awaited may also end otherwise, or be one of several.
        Some(if around.in_task {
            kept
        } else {
            Certainty::Likely
        })
    }

    /// Whether the function has passed this handle on before it awaits `taker`, and a function that it calls there is given
    /// a handle to itself.
    fn is_passed_to_callee(&self, around: Outwards<'_>, taker: &Handle) -> bool {
        let since = match self.glance().standing {
            Standing::Held(since) if around.in_task && !self.is_reserved() => since,
            _ => return false,
        };
        let function = around.scope.function();
        let taken_at = self.handed_up_at().or(self.awaited_at);
        let position = position_in(function, around.below, taker);
        let is_passed_on = taken_at.is_some_and(|at| {
            !function.keeps(at) && function.still_holds(at, position) == Some(false)
        });
        taker.asked >= since
            && is_passed_on
            && taker.scope().is_some_and(|inner| {
                let mut below = inner
                    .chain_of_task()
                    .take_while(|it| !std::ptr::eq(*it, around.scope));
                below.any(|it| it.function().takes_handle())
            })
    }

    fn is_kept_by(&self, around: Outwards<'_>, taker: &Handle) -> Option<Certainty> {
        let Outwards {
            scope,
            below,
            in_task,
        } = around;
        let Standing::Held(since) = self.glance().standing else {
            return None;
        };
        // A claim that was requested before this permit was granted runs beside this handle. The permit of a single
        // statement is held by the statement's own future, and is released with it.
        if taker.asked < since || self.purpose == Purpose::Statement || self.is_reserved() {
            return None;
        }
        let function = scope.function();
        let one_after_another = function.is_straight() || !function.has_body();
        // `task` stands for a waker. A combinator that polls many futures in one task gives each of them its own waker.
        let is_apart =
            in_task && self.task.is_some() && taker.task.is_some() && self.task != taker.task;
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
        self.is_kept_at(site, around, taker, is_apart)
    }

    /// The same for a handle that was taken at `site`, in the function of `around`.
    fn is_kept_at(
        &self,
        site: &Site,
        around: Outwards<'_>,
        taker: &Handle,
        is_apart: bool,
    ) -> Option<Certainty> {
        let function = around.scope.function();
        let one_after_another = function.is_straight() || !function.has_body();
        let position = position_in(site.function(), around.below, taker);
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

    /// Whether the code that holds this handle may be waiting for `waiter`, as far as the source shows: the acquire was
    /// requested below the handle's scope, in the same task or in one that took the scope along.
    pub(crate) fn may_be_held_for(&self, waiter: &Handle) -> bool {
        let Standing::Held(since) = self.glance().standing else {
            return false;
        };
        if waiter.asked < since || self.purpose == Purpose::Statement || self.is_reserved() {
            return false;
        }
        let (Some(owner), Some(inner)) = (self.scope(), waiter.scope()) else {
            return false;
        };
        let mut below = None;
        for around in inner.chain() {
            if std::ptr::eq(around, &raw const *owner) {
                return !self.is_beside(around, below, waiter);
            }
            below = Some(around);
        }
        false
    }

    /// The functions between that of this handle and that of `waiter`, outermost first.
    pub(crate) fn functions_between(&self, waiter: &Handle) -> Vec<&'static Function> {
        let (Some(owner), Some(inner)) = (self.scope(), waiter.scope()) else {
            return Vec::new();
        };
        let mut between: Vec<_> = inner
            .chain()
            .take_while(|around| !std::ptr::eq(*around, &raw const *owner))
            .skip(1)
            .filter(|around| !around.is_branch())
            .map(Scope::function)
            .collect();
        between.reverse();
        between
    }

    /// Whether the source shows that the handle was taken in a nested block of the function, beside the one that awaits
    /// `taker`. A handle that was passed on may have been passed to that one.
    fn is_beside(&self, around: &Scope, below: Option<&Scope>, taker: &Handle) -> bool {
        let function = around.function();
        let own = self
            .site
            .filter(|site| std::ptr::eq(site.function(), function));
        own.is_some_and(|site| {
            let position = position_in(function, below, taker);
            position.is_some_and(|(line, column)| !site.is_in_block(line, column))
        })
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
