//! Which scope a handle belongs to, and what a scope still holds when it ends.
//!
//! A handle refers to its scope. A scope lists ids only, which are resolved here: the references form no circle.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use super::left::{self, Left};
use super::{Handle, Owner, Standing, live};
use crate::scope::Scope;
use crate::source::function::Function;

/// The live handles that belong to a scope.
pub(crate) fn held_by(scope: &Scope) -> Vec<Arc<Handle>> {
    live::resolve(&scope.handles())
}

/// Ends the scope and returns the handles that it still holds, except those that are meant to live long.
///
/// The handles belong to no scope afterwards.
pub(crate) fn end_holding_nothing(scope: &Scope) -> Vec<Arc<Handle>> {
    let handles = live::resolve(&scope.end());
    for handle in &handles {
        handle.hand_to(None, scope);
    }
    handles
        .into_iter()
        .filter(|handle| handle.is_alive() && !handle.is_reserved())
        .collect()
}

/// Ends the scope, which returned a value of type `value` in `task`. Its live handles pass to the nearest scope around it
/// that is still running, if there is one.
pub(crate) fn end_handing_up(scope: &Scope, task: &Waker, value: &'static str) {
    let next = scope.running_parent();
    // Outside of all functions, a value of the task has them.
    let leaves = next.as_ref().is_none_or(|it| !it.function().has_body());
    for handle in live::resolve(&scope.end()) {
        handle.hand_to(next.clone(), scope);
        if leaves {
            handle.leave(Left::new(task.clone(), value));
        }
    }
}

impl Owner {
    /// The function to which a callee returned the handle, and which still has it.
    pub(super) fn receiver(&self) -> Option<&'static Function> {
        let scope = self
            .scope
            .as_ref()
            .filter(|_| self.handed_up_at.is_some())?;
        Some(scope.function())
    }
}

impl Handle {
    /// The scope that waits for the permit or holds it.
    pub(crate) fn scope(&self) -> Option<Arc<Scope>> {
        self.state().owner.scope.clone()
    }

    /// Hands the handle from the scope `last` to `next`; `None` for no scope.
    pub(crate) fn hand_to(&self, next: Option<Arc<Scope>>, last: &Scope) {
        let mut state = self.state();
        if let Standing::Returning(_) = state.standing {
            return;
        }
        let owner = &mut state.owner;
        owner.handed_up_by.push(last.function());
        owner.handed_up_at = Some(last.polled_at());
        if let Some(next) = &next {
            next.adopt(self.id);
        }
        owner.scope = next;
    }

    /// Records that no function owns it any more.
    fn leave(&self, left: Left) {
        let mut state = self.state();
        if let Standing::Returning(_) = state.standing {
            return;
        }
        left::insert(&left, self.id);
        let before = state.owner.left.replace(Box::new(left));
        drop(state);
        // After the unlock: a waker is foreign code.
        drop(before);
    }

    /// The functions that returned the handle to their caller, innermost first.
    pub(crate) fn handed_up_by(&self) -> Vec<&'static Function> {
        self.state().owner.handed_up_by.clone()
    }

    /// Where the last of those functions was awaited.
    pub(crate) fn handed_up_at(&self) -> Option<&'static Location<'static>> {
        self.state().owner.handed_up_at
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::time::Instant;

    use super::*;
    use crate::handle::asked::{Asked, Purpose};
    use crate::handle::held::Held;
    use crate::pool_state::PoolState;
    use crate::scope::Watched;
    use crate::scope::context::{self, FrameKind};
    use crate::scope::origin::Origin;
    use crate::site::TrackedFn;
    use crate::source::options::Options;
    use crate::source::place::Place;

    #[test]
    fn a_scope_forgets_what_is_given_back_while_it_runs() {
        static FUNCTION: TrackedFn = TrackedFn::new(Function::unseen(
            file!(),
            "at 1:1",
            &Options::NONE.named("test"),
        ));
        let scope = Scope::of_test(&FUNCTION, None, Watched::default());
        let mut slot = Some(Arc::clone(&scope));
        let kind = FrameKind::Carried;
        let _entered = context::enter(&FUNCTION, kind, &mut slot, Location::caller());
        let held = Held::at_once(Asked {
            pool: PoolState::for_tests(1),
            origin: Origin::UnlessPolled(Place::UNKNOWN),
            purpose: Purpose::Connection,
            task: None,
            when: Instant::now(),
        });
        assert_eq!(held_by(&scope).len(), 1, "the scope owns what it takes");
        drop(held);
        assert!(
            scope.handles().is_empty(),
            "a long scope must not collect what it gave back"
        );
    }
}
