//! Pools that are played second by second.

use std::time::{Duration, Instant};

use super::super::cause::Cause;
use super::{Change, Sample, Settings, Shown, Turnover};
use crate::snapshot::ClosedBy;

const MINUTE: usize = 60;
const HOUR: usize = 60 * MINUTE;

/// A pool, its judge, and what was reported, each with its second.
struct Play {
    settings: Settings,
    turnover: Turnover,
    began: Instant,
    now: Duration,
    opened: u64,
    closed: ClosedBy,
    size: u64,
    told: Vec<(u64, Cause)>,
    /// What was counted, of each report.
    counted: Vec<Change>,
    stopped: Vec<u64>,
}

impl Play {
    /// A pool with sqlx's default times, whose connections have been opened.
    fn of(connections: u64) -> Self {
        let mut play = Self {
            settings: Settings {
                limit: 1,
                max_connections: 200,
                min_connections: 0,
                idle_timeout: Some(Duration::from_mins(10)),
                max_lifetime: Some(Duration::from_mins(30)),
            },
            turnover: Turnover::default(),
            began: Instant::now(),
            now: Duration::ZERO,
            opened: 0,
            closed: ClosedBy::default(),
            size: 0,
            told: Vec::new(),
            counted: Vec::new(),
            stopped: Vec::new(),
        };
        play.sample();
        play.opens(connections);
        play.seconds(1);
        play
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    fn opens(&mut self, connections: u64) {
        self.opened += connections;
        self.size += connections;
    }

    fn closes(&mut self, cause: Cause, connections: u64) {
        *number(&mut self.closed, cause) += connections;
        self.size -= connections;
    }

    fn replaces(&mut self, cause: Cause, connections: u64) {
        // One after the other, so that the size does not change.
        *number(&mut self.closed, cause) += connections;
        self.opened += connections;
    }

    fn sample(&mut self) {
        let sample = Sample {
            at: self.began + self.now,
            opened: self.opened,
            closed: self.closed,
            detached: 0,
            size: self.size,
        };
        let second = self.now.as_secs();
        match self.turnover.add(sample, &self.settings) {
            Shown::Nothing => {}
            Shown::Churn(cause, change) => {
                self.told.push((second, cause));
                self.counted.push(change);
            }
            Shown::Stopped => self.stopped.push(second),
        }
    }

    /// Lets so many seconds go by, with a sample after each.
    fn seconds(&mut self, seconds: usize) {
        self.each_second(seconds, |_, _| {});
    }

    /// The same. In each second `what` happens, which is given its number.
    fn each_second(&mut self, seconds: usize, what: impl Fn(&mut Self, usize)) {
        for second in 0..seconds {
            what(self, second);
            self.now += Duration::from_secs(1);
            self.sample();
        }
    }

    /// So many connections are replaced at once, again and again, `period` seconds apart.
    fn replaces_every(&mut self, period: usize, times: usize, cause: Cause, connections: u64) {
        self.each_second(period * times, |play, second| {
            if second % period == period - 1 {
                play.replaces(cause, connections);
            }
        });
    }

    #[track_caller]
    fn is_silent(&self) {
        assert_eq!(self.told, [], "nothing is reported");
    }

    /// Whether this cause alone was reported, once, in one of these seconds.
    #[track_caller]
    fn tells(&self, cause: Cause, within: std::ops::RangeInclusive<u64>) {
        let [(second, told)] = self.told[..] else {
            panic!("one report is expected: {:?}", self.told);
        };
        assert_eq!(told, cause);
        assert!(within.contains(&second), "reported in second {second}");
    }
}

fn number(closed: &mut ClosedBy, cause: Cause) -> &mut u64 {
    match cause {
        Cause::Program => &mut closed.program,
        Cause::Hook => &mut closed.hook,
        Cause::Cancelled => &mut closed.cancelled,
        Cause::AcquireOver => &mut closed.acquire_over,
        Cause::Lifetime => &mut closed.max_lifetime,
        Cause::IdleTime => &mut closed.idle_timeout,
        Cause::Elsewhere => &mut closed.elsewhere,
    }
}

#[test]
fn a_connection_for_each_use() {
    for cause in [
        Cause::Program,
        Cause::Hook,
        Cause::Cancelled,
        Cause::AcquireOver,
    ] {
        let mut pool = Play::of(0);
        pool.each_second(10 * MINUTE, |pool, _| {
            pool.opens(3);
            pool.closes(cause, 3);
        });
        pool.tells(cause, 10..=12);
        assert!(pool.turnover.is_on());
    }
}

#[test]
fn some_uses_close_what_others_leave_open() {
    let mut pool = Play::of(20);
    pool.each_second(MINUTE, |pool, _| pool.replaces(Cause::Program, 3));
    pool.tells(Cause::Program, 14..=17);
}

#[test]
fn the_limit_is_inclusive() {
    let mut at = Play::of(1);
    at.each_second(MINUTE, |pool, _| pool.replaces(Cause::Program, 1));
    at.tells(Cause::Program, 11..=12);

    let mut below = Play::of(1);
    below.each_second(MINUTE, |pool, second| {
        if second % 10 != 9 {
            pool.replaces(Cause::Program, 1);
        }
    });
    below.is_silent();

    let mut allowed = Play::of(1).with(|settings| settings.limit = 5);
    allowed.each_second(MINUTE, |pool, _| pool.replaces(Cause::Program, 4));
    allowed.is_silent();
    allowed.each_second(MINUTE, |pool, _| pool.replaces(Cause::Program, 5));
    assert_eq!(allowed.told.len(), 1);
}

#[test]
fn a_short_lifetime() {
    let lives = |seconds| {
        move |settings: &mut Settings| settings.max_lifetime = Some(Duration::from_secs(seconds))
    };
    let mut at_once = Play::of(15).with(lives(5));
    at_once.replaces_every(5, 12, Cause::Lifetime, 15);
    at_once.tells(Cause::Lifetime, 10..=12);

    // All are of one age: nothing happens for 50 s, and then everything.
    let mut many = Play::of(150).with(lives(50));
    many.replaces_every(50, 12, Cause::Lifetime, 150);
    many.tells(Cause::Lifetime, 100..=101);
    // The rate is that of a time with several bursts, not of ten seconds around one.
    let (number, over) = (many.counted[0].opened, many.counted[0].over);
    assert_eq!((number, over.as_secs()), (300, 60));

    let mut spread = Play::of(150).with(lives(50));
    spread.each_second(10 * MINUTE, |pool, _| pool.replaces(Cause::Lifetime, 3));
    spread.tells(Cause::Lifetime, 50..=53);
}

#[test]
fn a_long_lifetime_is_steady() {
    // Two hundred connections of one age are replaced at once, every half hour.
    let mut pool = Play::of(200);
    pool.replaces_every(HOUR / 2, 8, Cause::Lifetime, 200);
    pool.is_silent();
    // Twice within a few seconds, because it was made in two bursts.
    pool.replaces(Cause::Lifetime, 200);
    pool.seconds(5);
    pool.replaces(Cause::Lifetime, 200);
    pool.seconds(5);
    pool.replaces(Cause::Lifetime, 200);
    pool.seconds(MINUTE);
    pool.is_silent();
}

#[test]
fn bursts_that_are_further_apart_than_the_idle_timeout() {
    let idles = |settings: &mut Settings| settings.idle_timeout = Some(Duration::from_secs(3));
    let burst = |pool: &mut Play, second: usize| match second % 8 {
        0 => pool.opens(20),
        5 => pool.closes(Cause::IdleTime, 20),
        _ => {}
    };
    let mut pool = Play::of(0).with(idles);
    pool.each_second(5 * MINUTE, burst);
    pool.tells(Cause::IdleTime, 17..=31);

    // Near misses: a burst that shrinks, and another one.
    let mut once = Play::of(0).with(idles);
    once.each_second(8, burst);
    once.seconds(MINUTE);
    once.is_silent();
    let mut twice = Play::of(0).with(idles);
    twice.each_second(16, burst);
    twice.seconds(MINUTE);
    twice.is_silent();
}

#[test]
fn bursts_after_pauses_in_which_nobody_looks() {
    let mut pool =
        Play::of(0).with(|settings| settings.idle_timeout = Some(Duration::from_secs(15)));
    for _ in 0..20 {
        pool.opens(50);
        pool.seconds(10);
        // The connections are closed in the pause.
        pool.closes(Cause::IdleTime, 50);
        pool.now += Duration::from_secs(20);
        pool.sample();
    }
    pool.tells(Cause::IdleTime, 90..=130);
}

#[test]
fn the_time_of_a_pause_counts() {
    // As many in an hour as would be a churn in ten seconds, and nobody looked in between.
    let mut pool = Play::of(2);
    for _ in 0..20 {
        for _ in 0..20 {
            pool.replaces(Cause::Program, 1);
        }
        pool.now += Duration::from_hours(1);
        pool.sample();
    }
    pool.is_silent();
}

#[test]
fn steady_warm_up_and_shrinking() {
    let mut pool = Play::of(20);
    pool.seconds(HOUR);
    // Grows for a long time.
    pool.each_second(MINUTE, |pool, _| pool.opens(2));
    // Shrinks for a long time.
    pool.each_second(MINUTE, |pool, _| pool.closes(Cause::IdleTime, 2));
    pool.seconds(MINUTE);
    // A burst of a second, closed in the next one.
    pool.opens(150);
    pool.seconds(1);
    pool.closes(Cause::Program, 150);
    pool.seconds(MINUTE);
    // The same, in one second: no sample sees one of them.
    pool.opens(150);
    pool.closes(Cause::Program, 150);
    pool.seconds(3 * MINUTE);
    pool.is_silent();
    assert!(!pool.turnover.is_on(), "no further samples are needed");
}

#[test]
fn every_connection_is_closed_once() {
    for cause in Cause::ALL {
        // At once: a failover, a rotation of credentials, a restart.
        let mut pool = Play::of(50);
        pool.replaces(cause, 50);
        pool.seconds(MINUTE);
        pool.is_silent();
        // With a gap, in which the server is down.
        pool.closes(cause, 50);
        pool.seconds(5);
        pool.opens(50);
        pool.seconds(MINUTE);
        pool.is_silent();
        // One after the other.
        pool.each_second(25, |pool, _| pool.replaces(cause, 2));
        pool.seconds(5 * MINUTE);
        pool.is_silent();
    }
}

#[test]
fn a_rolling_restart_closes_what_it_has_just_moved() {
    // Three nodes; each takes a third, and those that went to the next node are closed again.
    let mut pool = Play::of(60);
    for moved in [20, 30, 60, 60] {
        pool.replaces(Cause::Elsewhere, moved);
        pool.seconds(10);
    }
    pool.seconds(MINUTE);
    pool.is_silent();
}

#[test]
fn a_server_that_closes_again_and_again() {
    let mut pool = Play::of(5);
    pool.replaces_every(2, 5 * MINUTE, Cause::Elsewhere, 5);
    pool.tells(Cause::Elsewhere, 10..=13);
}

#[test]
fn once_for_as_long_as_it_goes_on_and_again_after_a_stop() {
    let churns = |pool: &mut Play, _| pool.replaces(Cause::Program, 3);
    let mut pool = Play::of(3);
    pool.each_second(HOUR, churns);
    assert_eq!((pool.told.len(), &pool.stopped[..]), (1, &[][..]));
    // A gap is no stop.
    pool.seconds(MINUTE);
    pool.each_second(MINUTE, churns);
    assert_eq!((pool.told.len(), &pool.stopped[..]), (1, &[][..]));
    pool.seconds(3 * MINUTE);
    assert_eq!((pool.told.len(), pool.stopped.len()), (1, 1));
    assert!(!pool.turnover.is_on());
    pool.each_second(MINUTE, churns);
    assert_eq!((pool.told.len(), pool.stopped.len()), (2, 1));
}

#[test]
fn another_cause_is_reported_and_the_first_one_not_again() {
    let mut pool = Play::of(3);
    for cause in [Cause::Program, Cause::Hook, Cause::Program, Cause::Hook] {
        pool.each_second(5 * MINUTE, |pool, _| pool.replaces(cause, 3));
    }
    let causes: Vec<_> = pool.told.iter().map(|(_, cause)| *cause).collect();
    assert_eq!(causes, [Cause::Program, Cause::Hook]);
}

#[test]
fn a_restart_during_a_churn_is_no_other_cause() {
    let mut pool = Play::of(20);
    pool.each_second(MINUTE, |pool, _| pool.replaces(Cause::Program, 3));
    pool.replaces(Cause::Elsewhere, 20);
    pool.each_second(MINUTE, |pool, _| pool.replaces(Cause::Program, 1));
    pool.tells(Cause::Program, 14..=17);
}

#[test]
fn a_pool_is_watched_for_ten_seconds_first() {
    let mut pool = Play::of(1);
    pool.each_second(8, |pool, _| pool.replaces(Cause::Program, 100));
    pool.is_silent();
}

#[test]
fn a_number_that_is_known_late_does_no_harm() {
    // A connection that is being opened counts as open, so that the difference may fall for a moment.
    let mut pool = Play::of(5);
    pool.each_second(MINUTE, |pool, second| {
        pool.closed.elsewhere = if second % 2 == 0 { 3 } else { 0 };
    });
    pool.is_silent();
}

#[test]
fn a_minimum_that_the_pool_replaces_is_watched_without_use() {
    let is_watched = |minimum, seconds| {
        let mut pool = Play::of(0).with(|settings| {
            settings.min_connections = minimum;
            settings.idle_timeout = Some(Duration::from_secs(seconds));
        });
        pool.seconds(MINUTE);
        pool.turnover.is_on()
    };
    assert!(is_watched(20, 15));
    assert!(!is_watched(20, 30));
    assert!(!is_watched(0, 1));
}
