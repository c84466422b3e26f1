//! The watchdog: one plain thread for the process, which looks for what no query would notice.
//!
//! It starts with the first pool, and goes with the last pool and the last handle. While no handle is alive it sleeps until
//! somebody wakes it; while handles are alive it looks once a second, and while somebody waits for a permit, every [`CLOSELY`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::pool_state::{self, PoolState};
use crate::site::Function;
use crate::{config, handle, report};

mod freeze;
mod pass;
mod stuck;

pub(crate) use freeze::frozen_since;
use pass::Next;
pub(crate) use stuck::{Edge, Stuck, deadlocked};

/// How often it looks while somebody waits.
const CLOSELY: Duration = Duration::from_millis(50);
/// How often it looks while handles are alive; samples of pools are taken at this distance.
const SAMPLE: Duration = Duration::from_secs(1);

/// A wait that may end sooner than this is looked at closely whatever it waits for.
const SHORT_TIMEOUT: Duration = Duration::from_secs(4);

/// How it watches now, for those who ask for handles: a thread that looks closely is not woken for nothing.
static PACE: AtomicU8 = AtomicU8::new(CLOSE);
/// It sleeps until it is woken.
const ASLEEP: u8 = 0;
/// It looks now and then.
const RELAXED: u8 = 1;
/// It looks every [`CLOSELY`].
const CLOSE: u8 = 2;

static CONTROL: Mutex<Control> = Mutex::new(Control {
    runs: false,
    woken: false,
});
static BELL: Condvar = Condvar::new();

struct Control {
    runs: bool,
    /// Somebody wants it to look soon.
    woken: bool,
}

fn control() -> MutexGuard<'static, Control> {
    CONTROL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pool was made: there is a watchdog from now on.
pub(crate) fn pool_made() {
    let mut control = control();
    if control.runs {
        return;
    }
    control.runs = true;
    drop(control);
    let thread = std::thread::Builder::new().name("sqlx-leash-watchdog".to_owned());
    if let Err(error) = thread.spawn(run) {
        self::control().runs = false;
        report::no_thread("watchdog", &error);
    }
}

/// A pool has gone: with the last one goes the watchdog.
pub(crate) fn pool_gone() {
    if pool_state::number() == 0 {
        wake();
    }
}

/// Has it look soon.
pub(crate) fn wake() {
    control().woken = true;
    BELL.notify_all();
}

/// A handle is asked for: its pool counts it already.
#[inline]
pub(crate) fn somebody_asks() {
    // In one order with the counting before it, and with the two in `sleeps`: one of the two threads sees the other.
    if PACE.load(SeqCst) == ASLEEP {
        PACE.store(RELAXED, SeqCst);
        wake();
    }
}

/// A handle is taken in `function`. It may come to a limit before the next sample.
#[inline]
pub(crate) fn somebody_holds(function: Option<&Function>) {
    let is_short = |function: &Function| function.shortest_limit().is_some_and(|it| it < SAMPLE);
    if (config::has_limit_below(SAMPLE) || function.is_some_and(is_short))
        && PACE.load(SeqCst) != CLOSE
    {
        PACE.store(CLOSE, SeqCst);
        wake();
    }
}

/// Somebody's acquire was polled and waits: looks closely from now on, if there may be more to it than a connection being
/// checked.
#[inline]
pub(crate) fn somebody_waits(pool: &PoolState) {
    // In one order with the counting of the waiter, and with the two in `sleeps`: one of the two threads sees the other.
    if PACE.load(SeqCst) != CLOSE && may_be_stuck(pool) {
        PACE.store(CLOSE, SeqCst);
        wake();
    }
}

/// Whether a wait on that pool may be more than a connection being checked or opened.
fn may_be_stuck(pool: &PoolState) -> bool {
    pool.may_be_short() || pool.limits.acquire_timeout < SHORT_TIMEOUT
}

fn run() {
    let mut watch = pass::Watch::default();
    let mut next = Next::After(SAMPLE);
    while !nothing_is_left() {
        let asked = Instant::now();
        let interval = match next {
            Next::WhenWoken => None,
            Next::After(interval) | Next::Closely(interval) => Some(interval),
        };
        freeze::asleep(asked, interval);
        let woken = sleeps(next, interval);
        let now = Instant::now();
        let stood_still = freeze::awake(now);
        if stood_still {
            // What seems long now was not lived through: this pass is skipped.
            continue;
        }
        next = if woken {
            // Soon, not now: who asks for a permit, and be it a thousand times a second, costs one look in this time.
            Next::Closely(CLOSELY)
        } else if config::is_off() {
            Next::After(SAMPLE)
        } else {
            watch.pass(now)
        };
    }
}

/// Whether there is no pool any more and no handle that outlives its pool: then this thread ends.
fn nothing_is_left() -> bool {
    let is_left = || pool_state::number() > 0 || handle::size().0 > 0;
    if is_left() {
        return false;
    }
    let mut control = control();
    // Somebody may have made a pool meanwhile, and seen this thread still run.
    control.runs = is_left();
    !control.runs
}

/// Sleeps until the next look; whether it was woken before.
fn sleeps(next: Next, interval: Option<Duration>) -> bool {
    match next {
        Next::WhenWoken => {
            PACE.store(ASLEEP, SeqCst);
            // Who has asked since the last look may not have seen that.
            if pool_state::all()
                .iter()
                .any(|gauge| gauge.state().is_used())
            {
                PACE.store(RELAXED, SeqCst);
                return sleep(Some(CLOSELY));
            }
        }
        Next::After(_) => {
            let was_close = PACE.swap(RELAXED, SeqCst) == CLOSE;
            // Who waits since the last look took it to be close still.
            if was_close
                && pool_state::all()
                    .iter()
                    .any(|gauge| gauge.state().is_waited_for())
            {
                return sleep(Some(CLOSELY));
            }
        }
        Next::Closely(_) => PACE.store(CLOSE, SeqCst),
    }
    sleep(interval)
}

/// Sleeps for so long, or until it is woken; whether it was.
fn sleep(interval: Option<Duration>) -> bool {
    let mut control = control();
    let asleep = |control: &mut Control| !control.woken;
    control = match interval {
        None => BELL
            .wait_while(control, asleep)
            .unwrap_or_else(PoisonError::into_inner),
        Some(interval) => {
            BELL.wait_timeout_while(control, interval, asleep)
                .unwrap_or_else(PoisonError::into_inner)
                .0
        }
    };
    std::mem::take(&mut control.woken)
}

/// What the watchdog remembers of each pool from pass to pass.
type PerPool<T> = HashMap<u64, T, rustc_hash::FxBuildHasher>;
