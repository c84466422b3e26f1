//! What a task holds while it takes one more permit.

use std::sync::Arc;

use crate::finding::Certainty;
use crate::handle::{Handle, in_task, owner};
use crate::scope::Scope;
use crate::source::function::Function;

/// A handle that is held while another one is taken.
pub(super) struct Holding {
    pub(super) handle: Arc<Handle>,
    pub(super) certainty: Certainty,
    /// The functions between the one that holds it and the one that takes the other.
    pub(super) between: Vec<&'static Function>,
}

/// The handles of the same pool that the scopes around `second` hold, nearest first.
pub(super) fn holdings(second: &Handle, scope: &Scope) -> Vec<Holding> {
    let mut found = Vec::new();
    let mut between: Vec<&'static Function> = Vec::new();
    for around in scope.outwards() {
        for handle in owner::held_by(around.scope) {
            if handle.id() != second.id()
                && handle.pool.id() == second.pool.id()
                && !handle.is_handed_on(around.scope)
                && let Some(certainty) = handle.is_held_by(around, second)
            {
                found.push(Holding {
                    handle,
                    certainty,
                    between: between.clone(),
                });
            }
        }
        if around.below.is_some() && !around.scope.is_branch() {
            between.insert(0, around.scope.function());
        }
    }
    found.extend(left_before(second, between, &found));
    found
}

/// The last handle that a root scope of the task has returned, and that a value of the task still has, likely.
fn left_before(
    second: &Handle,
    between: Vec<&'static Function>,
    found: &[Holding],
) -> Option<Holding> {
    let left = in_task::left_in(second.task()?);
    let handle = left.into_iter().rev().find(|handle| {
        handle.id() != second.id()
            && handle.pool.id() == second.pool.id()
            && found.iter().all(|it| it.handle.id() != handle.id())
            && handle.is_in_task_of(second)
    })?;
    Some(Holding {
        handle,
        certainty: Certainty::Likely,
        between,
    })
}
