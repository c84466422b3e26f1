//! Whether a statement is counted further out, so that each counts once.

use std::cell::Cell;
use std::thread::LocalKey;

thread_local! {
    static ANSWER: Cell<Answer> = const { Cell::new(Answer::NotAsked) };
    static FURTHER_OUT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a wrapped executor turns out to count its statements itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    NotAsked,
    Asked,
    Counts,
}

/// Sets a value for this thread until the guard is dropped, also by unwinding.
fn set<T: Copy>(cell: &'static LocalKey<Cell<T>>, value: T) -> Restore<T> {
    let before = cell.replace(value);
    Restore { cell, before }
}

pub(crate) struct Restore<T: Copy + 'static> {
    cell: &'static LocalKey<Cell<T>>,
    before: T,
}

impl<T: Copy> Drop for Restore<T> {
    fn drop(&mut self) {
        self.cell.set(self.before);
    }
}

/// Runs `call` on an executor that may or may not count its statements itself, and returns whether it does.
pub(crate) fn ask_whether_counted<T>(call: impl FnOnce() -> T) -> (T, bool) {
    let _asked = set(&ANSWER, Answer::Asked);
    let value = call();
    (value, ANSWER.get() == Answer::Counts)
}

/// Called by a tracked executor: it counts.
pub(crate) fn answer_that_it_counts() {
    if ANSWER.get() == Answer::Asked {
        ANSWER.set(Answer::Counts);
    }
}

/// While the guard lives, statements on this thread are counted already.
pub(crate) fn mark_counted() -> Restore<bool> {
    set(&FURTHER_OUT, true)
}

/// Whether the statement that runs now is counted further out.
pub(crate) fn is_counted() -> bool {
    FURTHER_OUT.get()
}

/// While the guards live, nothing is known of the running statement: other code runs.
pub(super) fn nothing() -> (Restore<Answer>, Restore<bool>) {
    (set(&ANSWER, Answer::NotAsked), set(&FURTHER_OUT, false))
}
