//! Whether a handle that has left its root scope is with a value of the task that requests a permit.

use std::sync::Arc;
use std::task::Waker;

use super::asked::Purpose;
use super::left::{self, Used};
use super::{Handle, Standing, live};
use crate::scope::Scope;
use crate::snapshot::Activity;

/// The live handles that left a root scope of this task, in the order in which they did.
pub(crate) fn left_in(task: u64) -> Vec<Arc<Handle>> {
    live::resolve(&left::ids_of(task))
}

/// Called when a scope ends in this task: records where the handles that it has used are.
pub(crate) fn settle_uses(scope: &Scope, task: &Waker) {
    for used in scope.take_uses_of_left() {
        for handle in live::resolve(&[used.handle]) {
            if let Some(left) = &mut handle.state().owner.left {
                left.was_used(task, used.is_given);
            }
        }
    }
}

impl Handle {
    /// Whether it left a root scope, and is not known to have moved to another task than that of `taker` before `taker`
    /// was requested.
    pub(crate) fn may_be_in_task_of(&self, taker: &Handle) -> bool {
        self.left_before(taker).is_some()
    }

    /// Whether, in addition, the source shows that a value of that task has it: a function around `taker` is given such
    /// a value to itself, or one has used the handle since.
    pub(crate) fn is_in_task_of(&self, taker: &Handle) -> bool {
        let Some((value, used)) = self.left_before(taker) else {
            return false;
        };
        let is_given = || {
            let scope = taker.scope();
            scope.is_some_and(|scope| {
                let mut around = scope.chain_of_task();
                around.any(|around| around.function().takes_part_of(value))
            })
        };
        used == Used::Here || is_given()
    }

    /// Stands for the task of the root scope that it has left.
    pub(crate) fn left_in(&self) -> Option<u64> {
        self.state().owner.left.as_ref().map(|left| left.task())
    }

    /// The type of the value that has it, and where it was used since, if it may be in the task of `taker`.
    fn left_before(&self, taker: &Handle) -> Option<(&'static str, Used)> {
        let state = self.state();
        let left = state.owner.left.as_deref()?;
        let is_held = matches!(state.standing, Standing::Held(_));
        let is_left = is_held
            && state.activity != Activity::Busy
            && self.purpose != Purpose::Statement
            && left.used != Used::Elsewhere
            && taker.task == Some(left.task())
            && taker.asked >= left.when;
        (is_left && !self.is_reserved()).then_some((left.value, left.used))
    }
}
