//! Random programs of readers, writers, cancellations and expiries against a plain model.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::decisions::Random;
use super::schedule::{Body, Program, Stage, block_on, step};
use crate::cache::Cached;
use crate::sync;

const KEYS: usize = 3;
/// Fewer than there are keys, so that values are evicted.
const CAPACITY: u64 = 2;

/// What an actor does next with a key.
#[derive(Clone, Copy, Debug)]
enum Act {
    Get,
    /// Gets, and the loader fails.
    Fail,
    /// Gets, and is cancelled after so many polls.
    GiveUp(usize),
    /// Writes under a guard, and commits or not.
    Write {
        commits: bool,
    },
    /// Reads while it writes.
    WriteAndGet,
    WriteAndForget,
    WriteAndForgetAll,
    /// Lets what is kept expire.
    Sleep,
}

impl Act {
    fn random(random: &mut Random) -> Self {
        match random.below(16) {
            0..6 => Self::Get,
            6 => Self::Fail,
            7..9 => Self::GiveUp(1 + random.below(3)),
            9 => Self::Write { commits: false },
            10..12 => Self::Write { commits: true },
            12 => Self::WriteAndGet,
            13 => Self::WriteAndForget,
            14 => Self::WriteAndForgetAll,
            _ => Self::Sleep,
        }
    }
}

/// The cache, the database behind it, and what is known of both.
struct World {
    cache: Cached<usize, u64>,
    time_to_live: Duration,
    rows: [AtomicU64; KEYS],
    known: Mutex<[Known; KEYS]>,
    loaded: Counts,
}

/// What the model knows of a key.
#[derive(Debug, Default)]
struct Known {
    /// The row after the last write that readers must see.
    written: u64,
    /// Guards that live, and calls that forget.
    writers: usize,
    /// Whatever lets a second load of the key begin: a write's begin or end, a load that failed.
    disturbances: u64,
    /// The loads that run: how many disturbances there were when their callers asked.
    running: Vec<u64>,
}

#[derive(Debug, Default)]
struct Counts {
    served: AtomicU64,
    called: AtomicU64,
    succeeded: AtomicU64,
}

impl World {
    fn known<T>(&self, key: usize, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut sync::lock(&self.known)[key])
    }

    async fn get(&self, key: usize, fails: bool) {
        let is_called = Cell::new(false);
        let (written, asked, writers) = self.known(key, |known| {
            (known.written, known.disturbances, known.writers)
        });
        let loader = || {
            is_called.set(true);
            self.load(key, fails, (writers == 0).then_some(asked))
        };
        let got = self.cache.get(&key, loader).await;
        if !is_called.get() {
            self.loaded.served.fetch_add(1, SeqCst);
        }
        match got {
            Ok(row) => assert!(row >= written, "stale: {row} after {written}"),
            // An error is the own loader's.
            Err(()) => assert!(is_called.get() && fails, "the error of another"),
        }
    }

    /// Loads a row. `asked` is when its caller asked, if no write was under way.
    async fn load(&self, key: usize, fails: bool, asked: Option<u64>) -> Result<u64, ()> {
        self.loaded.called.fetch_add(1, SeqCst);
        let _running = asked.map(|asked| Running::begin(self, key, asked));
        step();
        let row = self.rows[key].load(SeqCst);
        // The answer comes later.
        let mut is_answered = false;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut is_answered, true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        step();
        if fails {
            self.known(key, |known| known.disturbances += 1);
            return Err(());
        }
        self.loaded.succeeded.fetch_add(1, SeqCst);
        Ok(row)
    }

    fn commit(&self, key: usize) -> u64 {
        step();
        self.rows[key].fetch_add(1, SeqCst) + 1
    }

    /// Begins what readers bypass, or what overtakes their loads.
    fn begin_write(&self, key: usize) {
        self.known(key, |known| {
            known.disturbances += 1;
            known.writers += 1;
        });
    }

    fn end_write(&self, key: usize) {
        self.known(key, |known| {
            known.disturbances += 1;
            known.writers -= 1;
        });
    }

    /// Tells readers that they must see this row.
    fn written(&self, key: usize, row: u64) {
        self.known(key, |known| known.written = known.written.max(row));
    }

    fn write(&self, key: usize, commits: bool, meanwhile: impl FnOnce()) {
        self.begin_write(key);
        let writing = self.cache.writing(&key);
        if commits {
            self.written(key, self.commit(key));
        }
        meanwhile();
        drop(writing);
        self.end_write(key);
    }

    fn write_and_forget(&self, key: usize) {
        let row = self.commit(key);
        self.begin_write(key);
        self.cache.forget(&key);
        self.end_write(key);
        self.written(key, row);
    }

    fn write_and_forget_all(&self) {
        let rows: Vec<_> = (0..KEYS).map(|key| self.commit(key)).collect();
        (0..KEYS).for_each(|key| self.begin_write(key));
        self.cache.forget_all();
        for (key, row) in rows.into_iter().enumerate() {
            self.end_write(key);
            self.written(key, row);
        }
    }

    fn give_up(&self, key: usize, polls: usize) {
        let mut get = pin!(self.get(key, false));
        for _ in 0..polls {
            let polled = get.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if polled.is_ready() {
                return;
            }
            step();
        }
    }

    fn act(&self, key: usize, act: Act) {
        match act {
            Act::Get => block_on(self.get(key, false)),
            Act::Fail => block_on(self.get(key, true)),
            Act::GiveUp(polls) => self.give_up(key, polls),
            Act::Write { commits } => self.write(key, commits, || ()),
            Act::WriteAndGet => self.write(key, true, || block_on(self.get(key, false))),
            Act::WriteAndForget => self.write_and_forget(key),
            Act::WriteAndForgetAll => self.write_and_forget_all(),
            Act::Sleep => {
                std::thread::sleep(self.time_to_live.min(Duration::from_millis(1)));
                step();
            }
        }
    }

    fn check_in_the_end(&self) {
        let stats = self.cache.stats();
        assert_eq!(self.cache.shared.keys.len(), 0, "keys in use");
        assert!(stats.entries <= CAPACITY, "{stats:?}");
        let counts = &self.loaded;
        assert_eq!(
            stats.hits,
            counts.served.load(SeqCst),
            "{stats:?} {counts:?}"
        );
        assert_eq!(
            stats.misses + stats.refusals,
            counts.called.load(SeqCst),
            "{stats:?} {counts:?}"
        );
        assert_eq!(
            stats.loads,
            counts.succeeded.load(SeqCst),
            "{stats:?} {counts:?}"
        );
    }
}

/// A load that other callers wait for.
struct Running<'a> {
    world: &'a World,
    key: usize,
    asked: u64,
}

impl<'a> Running<'a> {
    fn begin(world: &'a World, key: usize, asked: u64) -> Self {
        world.known(key, |known| {
            if known.disturbances == asked {
                let other = known.running.contains(&asked);
                assert!(!other, "a key is loaded twice: {known:?}");
            }
            known.running.push(asked);
        });
        Self { world, key, asked }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.world.known(self.key, |known| {
            let at = known.running.iter().position(|asked| *asked == self.asked);
            known.running.swap_remove(at.expect("it was added"));
        });
    }
}

/// A program that depends on the number alone.
fn program(seed: u64) -> Program<4> {
    let mut random = Random::new(seed);
    let time_to_live = Duration::from_millis([1, 3_600_000][random.below(2)]);
    let world = Arc::new(World {
        cache: Cached::new(CAPACITY, time_to_live),
        time_to_live,
        rows: Default::default(),
        known: Mutex::default(),
        loaded: Counts::default(),
    });
    let mut body = || -> Body {
        let world = Arc::clone(&world);
        let mut next = || (random.below(KEYS), Act::random(&mut random));
        let acts: Vec<_> = std::iter::repeat_with(&mut next).take(6).collect();
        Box::new(move || acts.into_iter().for_each(|(key, act)| world.act(key, act)))
    };
    Program {
        actors: [body(), body(), body(), body()],
        afterwards: Box::new(move || world.check_in_the_end()),
    }
}

#[test]
fn random_programs_agree_with_the_model() {
    let stage = Stage::new();
    for seed in 1..=1000 {
        let run = || stage.run_at_random(program(seed), seed);
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            eprintln!("the program of the seed {seed} fails");
            resume_unwind(panic)
        });
    }
}
