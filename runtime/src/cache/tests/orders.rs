//! Small programs in every order of their steps: nothing is served that was read before a write ended, a key is loaded
//! once, and nobody is left waiting.

use std::cell::Cell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Waker};
use std::time::Duration;

use super::now;
use super::schedule::{Body, Explorer, Program, block_on, step};
use crate::cache::Cached;

/// Without a limit of interruptions, every order is run.
const ALL: usize = usize::MAX;

/// A cache over a database with one row: a number that every write raises.
struct World {
    cache: Cached<u64, u64>,
    /// Every run has a key of its own, because to make a cache takes longer than a run.
    key: u64,
    row: AtomicU64,
    /// The row after the last write that the cache must know of.
    written: AtomicU64,
    /// The number of calls of loaders.
    loads: AtomicU64,
}

type Actor = fn(&World);

impl World {
    fn get(&self) {
        let has_loaded = Cell::new(false);
        let written_before = self.written.load(SeqCst);
        let loader = || {
            has_loaded.set(true);
            async { Ok::<_, ()>(self.load()) }
        };
        let value = block_on(self.cache.get(&self.key, loader)).expect("the loader succeeds");
        // What the reader has read itself may be overtaken meanwhile. What it is served may not.
        let least = if has_loaded.get() {
            written_before
        } else {
            self.written.load(SeqCst)
        };
        assert!(value >= least, "stale: {value} after {least}");
    }

    fn load(&self) -> u64 {
        self.loads.fetch_add(1, SeqCst);
        step();
        let row = self.row.load(SeqCst);
        step();
        row
    }

    /// Writes under a guard. Who asks after the commit sees the write, also while the guard is alive.
    fn write(&self) {
        let _writing = self.cache.writing(&self.key);
        step();
        let row = self.row.fetch_add(1, SeqCst) + 1;
        self.written.fetch_max(row, SeqCst);
    }

    /// Writes, and forgets the key afterwards.
    fn write_and_forget(&self) {
        step();
        let row = self.row.fetch_add(1, SeqCst) + 1;
        self.cache.forget(&self.key);
        self.written.fetch_max(row, SeqCst);
    }

    /// Writes, and forgets all keys afterwards.
    fn write_and_forget_all(&self) {
        step();
        let row = self.row.fetch_add(1, SeqCst) + 1;
        self.cache.forget_all();
        self.written.fetch_max(row, SeqCst);
    }

    /// Asks, and is cancelled.
    fn give_up(&self) {
        let loader = || {
            self.loads.fetch_add(1, SeqCst);
            pending::<Result<u64, ()>>()
        };
        let mut get = Box::pin(self.cache.get(&self.key, loader));
        let _ = get.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        step();
        drop(get);
    }

    /// Asks, and its loader fails, unless another caller's is quicker.
    fn fail(&self) {
        let loader = async || {
            self.loads.fetch_add(1, SeqCst);
            step();
            Err::<u64, _>(())
        };
        let _ = block_on(self.cache.get(&self.key, loader));
    }
}

/// What holds after each order.
struct After {
    most_loads: u64,
}

/// Runs the actors at the same time, with at most so many interruptions in a run. Afterwards no key is in use, and a
/// reader sees the row.
#[track_caller]
fn check<const N: usize>(interruptions: usize, actors: [Actor; N], after: &'static After) {
    explore(interruptions, false, actors, after);
}

#[track_caller]
fn explore<const N: usize>(
    interruptions: usize,
    ignores_epochs: bool,
    actors: [Actor; N],
    after: &'static After,
) {
    let explorer = Explorer {
        interruptions,
        ignores_epochs,
    };
    let cache = Cached::new(1_000_000, Duration::from_hours(1));
    let runs = Cell::new(0);
    explorer.explore(|| {
        runs.set(runs.get() + 1);
        let world = Arc::new(World {
            cache: cache.clone(),
            key: runs.get(),
            row: AtomicU64::new(0),
            written: AtomicU64::new(0),
            loads: AtomicU64::new(0),
        });
        let body = |actor: Actor| -> Body {
            let world = Arc::clone(&world);
            Box::new(move || actor(&world))
        };
        Program {
            actors: actors.map(body),
            afterwards: Box::new(move || {
                assert!(world.loads.load(SeqCst) <= after.most_loads, "loads");
                assert_eq!(world.cache.shared.keys.len(), 0, "keys in use");
                let row = world.row.load(SeqCst);
                let value = now(world.cache.get(&world.key, async || Ok::<_, ()>(row)));
                assert_eq!(value, Ok(row), "stale in the end");
            }),
        }
    });
    // A program whose orders are few explores nothing.
    assert!(runs.get() > 500, "{} orders", runs.get());
}

const ONE: After = After { most_loads: 1 };
const TWO: After = After { most_loads: 2 };
const THREE: After = After { most_loads: 3 };

#[test]
fn a_reader_and_a_writer() {
    check(ALL, [World::get, World::write], &ONE);
    check(ALL, [World::get, World::write_and_forget], &ONE);
    check(ALL, [World::get, World::write_and_forget_all], &ONE);
}

#[test]
fn a_writer_that_reads() {
    let write_and_get: Actor = |world| {
        world.write();
        world.get();
    };
    check(3, [World::get, write_and_get], &TWO);
    let get_in_write: Actor = |world| {
        let _writing = world.cache.writing(&world.key);
        world.write();
        world.get();
    };
    check(3, [World::get, get_in_write], &TWO);
}

#[test]
fn two_readers_and_a_writer() {
    check(3, [World::get, World::get, World::write], &TWO);
    check(2, [World::get, World::get, World::write_and_forget], &THREE);
    check(
        2,
        [World::get, World::get, World::write_and_forget_all],
        &THREE,
    );
}

#[test]
fn two_writers() {
    check(2, [World::get, World::write, World::write], &ONE);
    check(2, [World::get, World::write, World::write_and_forget], &ONE);
    check(
        2,
        [World::get, World::write, World::write_and_forget_all],
        &ONE,
    );
}

#[test]
fn readers_alone_load_once() {
    check(ALL, [World::get, World::get], &ONE);
    check(2, [World::get, World::get, World::get], &ONE);
}

#[test]
fn a_reader_that_is_cancelled_strands_nobody() {
    check(ALL, [World::give_up, World::get], &TWO);
    check(2, [World::give_up, World::get, World::get], &TWO);
    check(2, [World::give_up, World::give_up, World::get], &THREE);
    check(2, [World::give_up, World::get, World::write], &THREE);
}

#[test]
fn a_reader_that_fails_strands_nobody() {
    check(ALL, [World::fail, World::get], &TWO);
    check(2, [World::fail, World::get, World::get], &TWO);
    check(2, [World::fail, World::fail, World::get], &THREE);
    check(2, [World::fail, World::get, World::write], &THREE);
}

/// The programs above find a value that is stale if epochs are not looked at.
#[test]
fn without_epochs_a_value_is_stale() {
    let writes: [Actor; 3] = [
        World::write,
        World::write_and_forget,
        World::write_and_forget_all,
    ];
    for write in writes {
        let explored = catch_unwind(AssertUnwindSafe(|| {
            explore(2, true, [World::get, World::get, write], &THREE);
        }));
        let panic = explored.expect_err("a stale value is found");
        let message = panic.downcast::<String>().expect("it is formatted");
        assert!(message.starts_with("stale"), "{message}");
    }
}
