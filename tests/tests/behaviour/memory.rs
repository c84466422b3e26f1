//! Memory is bounded: by call sites, not by texts, by what is alive, not by what was.
//!
//! What lives on the heap of a process is measured after each tenth of many rounds: the last may add nothing to the first.

mod handles;
mod scopes;
mod texts;

use leash_tests::in_child;
use sqlx::leash::{self};

use crate::HEAP;
use crate::common::{path_of, until};

/// What the heap may hold more than before, for buffers that have grown and what is on its way: far less than a byte for
/// each of the rounds that a test repeats.
const SLACK: usize = 32 << 10;

/// Runs `round` ten times as often as `tenth` says, in a process of its own, and compares what is alive after the first tenth
/// and after the last. `round` is given its number. In the end nothing is known of any pool, handle or scope.
#[track_caller]
fn flat<S>(
    test: &str,
    tenth: u32,
    begin: impl AsyncFnOnce() -> S,
    mut round: impl AsyncFnMut(&S, u32),
) {
    let run = async || {
        let state = begin().await;
        let mut sizes = Vec::new();
        for number in 0..tenth * 10 {
            round(&state, number).await;
            if number % tenth == tenth - 1 {
                until("what was dropped is back", || {
                    leash::snapshot().tracker.live == 0
                })
                .await;
                sizes.push(HEAP.allocated());
            }
        }
        assert!(sizes[9] <= sizes[0] + SLACK, "{sizes:?}");
        drop(state);
        until("the last pool is gone", || {
            let snapshot = leash::snapshot();
            let tracker = snapshot.tracker;
            (tracker.pools, tracker.live, tracker.scopes) == (0, 0, 0)
                && snapshot.handles.is_empty()
                && snapshot.waiters.is_empty()
                && snapshot.pools.is_empty()
        })
        .await;
    };
    let _ = in_child(&path_of(test), &[], |runtime| {
        runtime.block_on(run());
    });
}
