//! Memory is bounded: it depends on the number of call sites and of live handles, scopes and pools, not on the number
//! of texts or of values that have ended.
//!
//! Each test runs many rounds, and measures the bytes on the heap after each tenth of them. The last measurement must
//! not exceed the first.

mod handles;
mod pinned;
mod scopes;
mod texts;

use leash_tests::in_child;
use sqlx::leash::{self};

use crate::HEAP;
use crate::common::{path_of, until};

/// The allowed growth of the heap, for buffers that have grown and for connections being returned: far less than a byte
/// for each round of a test.
const SLACK: usize = 32 << 10;

/// Runs `round` ten times `tenth` times in its own process, passing it the round's number, and compares the heap after
/// the first and after the last tenth. In the end the tracker must know no pool, handle or scope.
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
                until("the dropped handles are returned", || {
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
