//! The statement that a future sent last.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;

use super::tally::Tally;

thread_local! {
    /// The statement that was begun last on this thread.
    static LATEST: Cell<Option<&'static Tally>> = const { Cell::new(None) };
}

/// Notes a statement that begins.
#[inline]
pub(crate) fn note(tally: &'static Tally) {
    // A destructor of another thread-local value may send one.
    let _ = LATEST.try_with(|latest| latest.set(Some(tally)));
}

/// Runs a future, and returns its output with the counters of the statement that it sent last. What it sends in tasks of
/// their own is not seen.
pub(crate) async fn noting<F: Future>(
    mut future: Pin<&mut F>,
) -> (F::Output, Option<&'static Tally>) {
    let mut last = None;
    let output = poll_fn(|context| {
        let before = LATEST.take();
        let polled = future.as_mut().poll(context);
        let sent = LATEST.take();
        last = sent.or(last);
        // What it has sent is also what the future around it has sent.
        LATEST.set(sent.or(before));
        polled
    });
    (output.await, last)
}
