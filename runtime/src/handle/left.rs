//! Handles that a root scope has returned to code outside of all functions: an extractor's, a unit of work's.
//!
//! A value of the program holds such a handle, and often a later root scope of the same task uses that value. A task is
//! known by its waker. A clone of the waker is kept, so that no later task has the same address while the handle lives.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Waker;
use std::time::Instant;

use crate::scope::{UseOfLeft, context};
use crate::sync;

/// How a handle left its root scope.
#[derive(Debug)]
pub(super) struct Left {
    task: Waker,
    pub(super) when: Instant,
    /// The type of the value that the scope returned.
    pub(super) value: &'static str,
    pub(super) used: Used,
}

/// Where the handle was used since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    Nowhere,
    /// By a function of the same task that was given such a value to itself.
    Here,
    /// In another task, to which it has moved.
    Elsewhere,
}

impl Left {
    pub(super) fn new(task: Waker, value: &'static str) -> Self {
        Self {
            task,
            when: Instant::now(),
            value,
            used: Used::Nowhere,
        }
    }

    /// Stands for the task.
    pub(super) fn task(&self) -> u64 {
        self.task.data().addr() as u64
    }

    /// Records with the outermost function that it uses the handle of this id. When that function returns, its task is
    /// known.
    #[cold]
    pub(super) fn note_use(&self, id: u64) {
        if let Some(scope) = context::scope() {
            scope.outermost().note_use_of_left(UseOfLeft {
                handle: id,
                is_given: context::takes_part_of(self.value),
            });
        }
    }

    /// Called when a function that has used the handle returns, in this task.
    pub(super) fn was_used(&mut self, task: &Waker, is_given: bool) {
        if !self.task.will_wake(task) {
            self.used = Used::Elsewhere;
        } else if is_given && self.used == Used::Nowhere {
            self.used = Used::Here;
        }
    }
}

/// The ids of the handles that have left a root scope, each with its task.
static LEFT: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

/// The length of `LEFT`.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

pub(super) fn insert(left: &Left, id: u64) {
    let mut all = sync::lock(&LEFT);
    all.retain(|(_, left)| *left != id);
    all.push((left.task(), id));
    NUMBER.store(all.len(), Relaxed);
}

pub(super) fn remove(id: u64) {
    let mut all = sync::lock(&LEFT);
    all.retain(|(_, left)| *left != id);
    NUMBER.store(all.len(), Relaxed);
}

/// The ids of the handles that left a root scope of this task, in the order in which they did.
pub(super) fn ids_of(task: u64) -> Vec<u64> {
    // In most programs none has.
    if NUMBER.load(Relaxed) == 0 {
        return Vec::new();
    }
    let all = sync::lock(&LEFT);
    all.iter()
        .filter(|(of, _)| *of == task)
        .map(|(_, id)| *id)
        .collect()
}
