//! Makes each statement count once, however many wrappers it passes through.

use std::cell::Cell;
use std::thread::LocalKey;

thread_local! {
    static ANSWER: Cell<Counting> = const { Cell::new(Counting::NotAsked) };
    static ALREADY_COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a wrapped executor counts its statements itself, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counting {
    NotAsked,
    Asked,
    Counts,
}

/// Sets a thread-local value until the guard is dropped, also by unwinding.
fn set<T: Copy>(cell: &'static LocalKey<Cell<T>>, value: T) -> Restore<T> {
    let before = cell.replace(value);
    Restore { cell, before }
}

/// Puts the previous value back when it is dropped.
pub(crate) struct Restore<T: Copy + 'static> {
    cell: &'static LocalKey<Cell<T>>,
    before: T,
}

impl<T: Copy> Drop for Restore<T> {
    fn drop(&mut self) {
        self.cell.set(self.before);
    }
}

/// Runs `call`, which calls an executor, and returns whether that executor counts its statements itself.
pub(crate) fn ask_whether_counted<T>(call: impl FnOnce() -> T) -> (T, bool) {
    let _asked = set(&ANSWER, Counting::Asked);
    let value = call();
    (value, ANSWER.get() == Counting::Counts)
}

/// Called by a tracked executor, which counts its statements itself.
pub(crate) fn answer_that_it_counts() {
    if ANSWER.get() == Counting::Asked {
        ANSWER.set(Counting::Counts);
    }
}

/// Marks the statements on this thread as already counted, until the guard is dropped.
pub(crate) fn mark_counted() -> Restore<bool> {
    set(&ALREADY_COUNTED, true)
}

/// Whether the running statement is already counted by a wrapper around it.
#[inline]
pub(crate) fn is_counted() -> bool {
    ALREADY_COUNTED.get()
}

/// Forgets both values until the guards are dropped: the code that runs meanwhile is not part of the running statement.
#[inline]
pub(super) fn nothing() -> (Restore<Counting>, Restore<bool>) {
    (
        set(&ANSWER, Counting::NotAsked),
        set(&ALREADY_COUNTED, false),
    )
}
