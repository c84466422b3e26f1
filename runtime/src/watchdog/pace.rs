//! How closely the watchdog looks, and what wakes it.
//!
//! Code that takes handles reads the pace before it rings, so that a watchdog that looks closely is not woken for nothing. It
//! changes the pool's counter first and reads the pace then; the watchdog sets the pace first and reads the counters then. All
//! four are `SeqCst`: either the caller sees the pace and rings, or the watchdog sees the counter and stays up.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::config;
use crate::pool_state::{PoolState, newcomers, registry};
use crate::source::function::Function;
use crate::sync;

/// The time between two passes while an acquire waits.
pub(super) const CLOSELY: Duration = Duration::from_millis(50);
/// The time between two passes while handles are alive, and between two samples of a pool.
pub(super) const SAMPLE: Duration = Duration::from_secs(1);

/// On a pool whose `acquire_timeout` is shorter than this, every wait is looked at closely.
const SHORT_TIMEOUT: Duration = Duration::from_secs(4);

static PACE: AtomicU8 = AtomicU8::new(CLOSE);
/// The watchdog sleeps until it is woken.
const ASLEEP: u8 = 0;
/// The watchdog looks once a second, or when something is due.
const RELAXED: u8 = 1;
/// The watchdog looks every [`CLOSELY`].
const CLOSE: u8 = 2;

/// Whether the bell was rung since the watchdog went to sleep.
static RUNG: Mutex<bool> = Mutex::new(false);
static BELL: Condvar = Condvar::new();

/// When to look again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// When a handle is asked for.
    WhenWoken,
    /// After this time; no acquire waits.
    After(Duration),
    /// After this time; an acquire waits.
    Closely(Duration),
}

impl Next {
    pub(super) fn interval(self) -> Option<Duration> {
        match self {
            Next::WhenWoken => None,
            Next::After(interval) | Next::Closely(interval) => Some(interval),
        }
    }
}

/// Wakes the watchdog: it looks soon.
pub(crate) fn wake() {
    *sync::lock(&RUNG) = true;
    BELL.notify_all();
}

/// Changes the pace and rings.
fn wake_to(pace: u8) {
    PACE.store(pace, SeqCst);
    wake();
}

/// A handle is asked for; its pool counts it already.
#[inline]
pub(crate) fn handle_asked_for() {
    // Paired with `sleep_until`: either this thread sees `ASLEEP` and rings, or the watchdog sees the permit counted before
    // this call and stays up.
    if PACE.load(SeqCst) == ASLEEP {
        wake_to(RELAXED);
    }
}

/// A handle is taken in `function`. It may reach a limit before the next sample.
#[inline]
pub(crate) fn handle_held(function: Option<&Function>) {
    let is_short = |function: &Function| {
        function
            .options()
            .shortest_limit()
            .is_some_and(|it| it < SAMPLE)
    };
    if (config::has_limit_below(SAMPLE) || function.is_some_and(is_short))
        && PACE.load(SeqCst) != CLOSE
    {
        wake_to(CLOSE);
    }
}

/// A pool was made, and is noted to be judged.
pub(crate) fn pool_made() {
    // Paired with `sleep_until`, as above.
    if PACE.load(SeqCst) != CLOSE {
        wake_to(CLOSE);
    }
}

/// An acquire was polled and waits: the watchdog looks closely from now on, unless the wait is likely no more than a
/// connection being checked.
#[inline]
pub(crate) fn acquire_waits(pool: &PoolState) {
    // Paired with `sleep_until`, as above.
    if PACE.load(SeqCst) != CLOSE && may_be_stuck(pool) {
        wake_to(CLOSE);
    }
}

/// Whether a wait on that pool may be more than a connection being checked or opened.
pub(super) fn may_be_stuck(pool: &PoolState) -> bool {
    pool.may_be_short() || pool.limits.acquire_timeout < SHORT_TIMEOUT
}

/// Sleeps until the next pass is due. Returns whether the bell rang before.
pub(super) fn sleep_until(next: Next) -> bool {
    let any = |is: fn(&PoolState) -> bool| registry::all().iter().any(|pool| is(pool.state()));
    match next {
        Next::WhenWoken => {
            PACE.store(ASLEEP, SeqCst);
            // The caller that asked for a handle since the last pass may not have seen that.
            if any(PoolState::is_used) || newcomers::oldest().is_some() {
                PACE.store(RELAXED, SeqCst);
                return sleep(Some(CLOSELY));
            }
        }
        Next::After(_) => {
            let was_close = PACE.swap(RELAXED, SeqCst) == CLOSE;
            // A waiter that came since the last pass still read `CLOSE`, and did not ring.
            if was_close && (any(PoolState::is_waited_for) || newcomers::oldest().is_some()) {
                return sleep(Some(CLOSELY));
            }
        }
        Next::Closely(_) => PACE.store(CLOSE, SeqCst),
    }
    sleep(next.interval())
}

/// Sleeps for `interval`, or until the bell rings. Returns whether it rang.
fn sleep(interval: Option<Duration>) -> bool {
    let rung = sync::lock(&RUNG);
    let mut rung = sync::wait_while(&BELL, rung, interval, |rung| !*rung);
    std::mem::take(&mut *rung)
}
