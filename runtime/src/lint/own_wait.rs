//! A holder that waits for a permit itself. It is idle because it waits, and not before work of its own.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::advice::Second;
use super::describe::taker;
use crate::finding::{Certainty, Related};
use crate::handle::Handle;
use crate::scope::Scope;

/// Of the acquires below one scope, this many are looked at.
const LOOKED_AT: usize = 16;

/// The acquires that wait, by the scopes below which they were requested, and by task.
#[derive(Default)]
pub(crate) struct Waiting<'a> {
    /// By the address of each scope around them.
    scopes: FxHashMap<usize, Vec<&'a Arc<Handle>>>,
    tasks: FxHashMap<u64, Vec<&'a Arc<Handle>>>,
}

impl<'a> Waiting<'a> {
    /// Those among these claims.
    pub(crate) fn among(claims: &'a [Arc<Handle>]) -> Self {
        let mut below = Self::default();
        for claim in claims.iter().filter(|claim| claim.is_waiting()) {
            if let Some(task) = claim.task() {
                below.tasks.entry(task).or_default().push(claim);
            }
            if let Some(scope) = claim.scope() {
                for around in scope.chain() {
                    let waiting = below.scopes.entry(std::ptr::from_ref(around).addr());
                    waiting.or_default().push(claim);
                }
            }
        }
        below
    }

    /// The oldest of those below a scope.
    fn below(&self, scope: &Scope) -> &[&'a Arc<Handle>] {
        oldest(self.scopes.get(&std::ptr::from_ref(scope).addr()))
    }

    /// The oldest of those of a task.
    fn of_task(&self, task: u64) -> &[&'a Arc<Handle>] {
        oldest(self.tasks.get(&task))
    }
}

fn oldest<'w, 'a>(waiting: Option<&'w Vec<&'a Arc<Handle>>>) -> &'w [&'a Arc<Handle>] {
    waiting.map_or(&[], |waiting| &waiting[..waiting.len().min(LOOKED_AT)])
}

/// The acquire for which the holder of a handle waits, and how certain that is: unknown where the source does not show it.
#[cfg(feature = "board")]
pub(crate) fn waits_for<'a>(
    holder: &'a Handle,
    waiting: &Waiting<'a>,
) -> Option<(&'a Arc<Handle>, Certainty)> {
    OwnWait::of(holder, waiting).map(|wait| (wait.waiter, wait.certainty))
}

/// The acquire for which the holder of a handle waits, or may wait.
pub(super) struct OwnWait<'a> {
    holder: &'a Handle,
    pub(super) waiter: &'a Arc<Handle>,
    /// How certain it is that the holder waits for it; unknown where the source does not show it.
    pub(super) certainty: Certainty,
}

impl<'a> OwnWait<'a> {
    /// Looks for it among these acquires.
    pub(super) fn of(holder: &'a Handle, waiting: &Waiting<'a>) -> Option<Self> {
        Self::of_task(holder, waiting).or_else(|| Self::of_scope(holder, waiting))
    }

    /// The root scope that took the handle has returned it, and an acquire of the same task waits.
    fn of_task(holder: &'a Handle, waiting: &Waiting<'a>) -> Option<Self> {
        let of_task = waiting.of_task(holder.left_in()?);
        let found = |waiter, certainty| Self {
            holder,
            waiter,
            certainty,
        };
        let first = |is: &dyn Fn(&Handle) -> bool| of_task.iter().find(|waiter| is(waiter));
        first(&|waiter| holder.is_in_task_of(waiter))
            .map(|waiter| found(waiter, Certainty::Likely))
            .or_else(|| {
                let waiter = first(&|waiter| holder.may_be_in_task_of(waiter))?;
                Some(found(waiter, Certainty::Unknown))
            })
    }

    /// An acquire waits below the scope that has the handle.
    fn of_scope(holder: &'a Handle, waiting: &Waiting<'a>) -> Option<Self> {
        let scope = holder.scope()?;
        let below = waiting.below(&scope);
        let found = |waiter, certainty| Self {
            holder,
            waiter,
            certainty,
        };
        let known = below.iter().find_map(|waiter| {
            let certainty = holder.is_held_for(waiter, &*waiter.scope()?)?;
            Some(found(waiter, certainty))
        });
        known.or_else(|| {
            let mut below = below.iter();
            let waiter = below.find(|waiter| holder.may_be_held_for(waiter))?;
            Some(found(waiter, Certainty::Unknown))
        })
    }

    /// Whether the source shows that the holder waits for it.
    pub(super) fn is_known(&self) -> bool {
        self.certainty != Certainty::Unknown
    }

    /// What the acquire has to do with the holder.
    pub(super) fn words(&self) -> String {
        let (function, holder) = (taker(self.waiter.place), taker(self.holder.place));
        let pool = self.waiter.pool.name();
        if self.holder.left_in().is_some() {
            let waits = format!(
                "{function} waits for a permit of pool {pool} in the task in which {holder} returned this one"
            );
            return if self.is_known() {
                format!("{waits}, and which still has it")
            } else {
                format!("{waits}: if that task still has it, neither can go on")
            };
        }
        if self.is_known() {
            let awaits = if function == holder {
                "it".to_owned()
            } else {
                format!("{function}, which it awaits,")
            };
            format!("{awaits} waits for a permit of pool {pool} itself")
        } else {
            format!(
                "{function}, which runs below {holder}, waits for a permit of pool {pool}: if {holder} awaits that, neither can go on"
            )
        }
    }

    /// Where the acquire waits.
    pub(super) fn related(&self) -> Related {
        let label = format!("{} waits here", taker(self.waiter.place));
        Related::new(label, self.waiter.place)
    }

    /// How the code that waits can do with the connection that is held.
    pub(super) fn helps(&self) -> Vec<String> {
        let held = &self.holder.read(Instant::now());
        let between = self.holder.functions_between(self.waiter);
        let second = Second {
            handle: self.waiter,
            first: self.holder,
            between: &between,
        };
        if self.holder.pool.id() != self.waiter.pool.id() {
            return vec![format!(
                "acquire the connections of {} and {} in the same order everywhere",
                self.holder.pool.name(),
                self.waiter.pool.name()
            )];
        }
        if self.is_known() {
            return second.helps(held);
        }
        let instead = second.instead(held);
        let (holder, waiter) = (taker(self.holder.place), taker(self.waiter.place));
        vec![if self.holder.left_in().is_some() {
            format!("if that task still has it, {instead}")
        } else {
            format!("if {holder} awaits {waiter}, {instead}")
        }]
    }
}
