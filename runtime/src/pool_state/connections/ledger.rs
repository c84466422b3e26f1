//! Why connections were closed.
//!
//! The way of the program shows most causes. sqlx shows none of the others: they follow from when nobody has used the pool, and
//! from the ages of its connections, which are taken to be closed in the order in which they were opened.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::pool_state::endpoint::Limits;
use crate::snapshot::ClosedBy;
use crate::source::place::Place;

/// Two looks that are no further apart than this are consecutive samples.
const NEAR: Duration = Duration::from_secs(3);

/// Why a connection is closed, where the way of the program shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The program closes or detaches it.
    Program,
    /// A hook of the program refuses it.
    Hook,
    /// A statement or a return was given up on it.
    Cancelled,
    /// The acquire that it was for is over.
    AcquireOver,
}

/// The use of a pool so far, as far as it may have closed connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    /// Acquires that have begun and holds that have ended; `None` if not all of them are seen.
    pub(crate) turns: Option<u64>,
    /// Whether an acquire waits or a connection is on its way back.
    pub(crate) is_under_way: bool,
    pub(crate) is_closed: bool,
}

/// What somebody sees who looks at a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The number of connections that were opened and are no longer in the pool.
    pub(super) gone: u64,
    pub(super) used: Use,
    pub(super) now: Instant,
}

/// The closed connections of a pool.
#[derive(Debug)]
pub(super) struct Ledger {
    limits: Limits,
    /// When the connections that are not known to be closed were opened: at most as many as the pool may have.
    births: VecDeque<Instant>,
    /// Of the connections that were closed before a look has seen that: how many were older than `max_lifetime`.
    old: u64,
    /// How many were not.
    young: u64,
    /// What the way of the program has shown.
    shown: ClosedBy,
    /// What looks have made of the others.
    inferred: ClosedBy,
    /// Connections that a statement has shown to be broken, and that no look has missed yet.
    broken: u64,
    looked: Option<Instant>,
    /// Since the pool was last seen at rest.
    rest: Rest,
    untold: Untold,
    /// What was told of `shown` and `inferred`.
    told: ClosedBy,
}

/// What is known of connections and was not told to the program's observers yet.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    /// The number of connections that were opened.
    pub(crate) opened: u64,
    /// What is known of the first of them: no more of these than of connections.
    pub(crate) openings: VecDeque<Opening>,
    pub(crate) closed: ClosedBy,
}

/// A connection that was opened for an acquire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// Where the permit was requested.
    pub(crate) place: Place,
    /// How long it took, where it is known when it began.
    pub(crate) time: Option<Duration>,
}

/// Of this many connections it is known for whom they were opened, until that is told.
const OPENINGS: usize = 64;

/// Counters at a time at which no acquire waited and no connection was on its way back.
#[derive(Debug, Default)]
struct Rest {
    turns: u64,
    /// The number of connections that were found closed since then, without what the program has shown.
    closed: u64,
    /// Those among them that the pool's own check has closed.
    reaped: u64,
}

impl Ledger {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            births: VecDeque::new(),
            old: 0,
            young: 0,
            shown: ClosedBy::default(),
            inferred: ClosedBy::default(),
            broken: 0,
            looked: None,
            rest: Rest::default(),
            untold: Untold::default(),
            told: ClosedBy::default(),
        }
    }

    pub(super) fn opened(&mut self) {
        self.untold.opened += 1;
    }

    /// A connection was opened for an acquire. Called after [`opened`](Self::opened), perhaps after that was told.
    pub(super) fn opened_for(&mut self, opening: Opening) {
        let openings = &mut self.untold.openings;
        if (openings.len() as u64) < self.untold.opened && openings.len() < OPENINGS {
            openings.push_back(opening);
        }
    }

    pub(super) fn take_untold(&mut self) -> Untold {
        let closed = self.shown.with(self.inferred, u64::saturating_add);
        let before = std::mem::replace(&mut self.told, closed);
        Untold {
            closed: closed.with(before, u64::saturating_sub),
            ..std::mem::take(&mut self.untold)
        }
    }

    /// Whether there is something to tell, or may soon be.
    pub(super) fn may_have_news(&self) -> bool {
        let closed = self.shown.total() + self.inferred.total();
        !self.births.is_empty() || self.untold.opened > 0 || closed > self.told.total()
    }

    pub(super) fn keeps_new(&mut self, now: Instant) {
        self.births.push_back(now);
        if self.births.len() > self.limits.max_connections as usize
            && let Some(birth) = self.births.pop_front()
        {
            // More than the pool may have: this one was closed, and no look has seen that yet.
            if self.has_lived(birth, now) {
                self.old += 1;
            } else {
                self.young += 1;
            }
        }
    }

    pub(super) fn closes_new(&mut self, why: Shown) {
        *self.count_of(why) += 1;
    }

    pub(super) fn closes(&mut self, why: Shown) {
        *self.count_of(why) += 1;
        self.take_oldest();
    }

    pub(super) fn broke(&mut self) {
        self.broken += 1;
    }

    fn count_of(&mut self, why: Shown) -> &mut u64 {
        match why {
            Shown::Program => &mut self.shown.program,
            Shown::Hook => &mut self.shown.hook,
            Shown::Cancelled => &mut self.shown.cancelled,
            Shown::AcquireOver => &mut self.shown.acquire_over,
        }
    }

    /// Finds a cause for what was closed since the last look.
    pub(super) fn look(&mut self, seen: Seen) -> ClosedBy {
        let found = seen
            .gone
            .saturating_sub(self.shown.total() + self.inferred.total());
        self.rest.closed += found;
        let reaped = self.reaped(seen.used).min(found);
        self.rest.reaped += reaped;
        for number in 0..found {
            *self.cause(number < reaped, seen) += 1;
        }
        self.looked = Some(seen.now);
        let is_whole = seen.gone >= self.shown.total() + self.inferred.total();
        if let Some(turns) = seen.used.turns
            && !seen.used.is_under_way
            && is_whole
        {
            self.rest = Rest {
                turns,
                ..Rest::default()
            };
        }
        self.shown.with(self.inferred, u64::saturating_add)
    }

    /// The number of connections that no acquire and no holder can have closed: each may have closed one. The pool's own
    /// check has.
    fn reaped(&self, used: Use) -> u64 {
        let Some(turns) = used.turns else {
            return 0;
        };
        let by_users = turns.saturating_sub(self.rest.turns);
        self.rest.closed.saturating_sub(by_users + self.rest.reaped)
    }

    /// The count for one connection whose close the program has not shown.
    fn cause(&mut self, is_reaped: bool, seen: Seen) -> &mut u64 {
        let age = self.take_oldest();
        let limit = is_reaped
            .then(|| self.limit_reached(age, seen.now))
            .flatten();
        let is_old = self.is_old(age, seen.now);
        let inferred = &mut self.inferred;
        if seen.used.is_closed {
            return &mut inferred.program;
        }
        match limit {
            Some(Limit::IdleTimeout) => return &mut inferred.idle_timeout,
            Some(Limit::MaxLifetime) => return &mut inferred.max_lifetime,
            None => {}
        }
        if self.broken > 0 {
            self.broken -= 1;
            return &mut inferred.elsewhere;
        }
        if is_old {
            &mut inferred.max_lifetime
        } else {
            &mut inferred.elsewhere
        }
    }

    /// Forgets the connection that was opened first.
    fn take_oldest(&mut self) -> Option<Age> {
        for (number, age) in [(&mut self.old, Age::Old), (&mut self.young, Age::Young)] {
            if *number > 0 {
                *number -= 1;
                return Some(age);
            }
        }
        self.births.pop_front().map(Age::Since)
    }

    /// The limit at which the pool's own check has closed a connection of this age. Where both are set, the one that it had to
    /// reach first if it was last used when the pool was last looked at.
    fn limit_reached(&self, age: Option<Age>, now: Instant) -> Option<Limit> {
        let (lifetime, idle) = (self.limits.max_lifetime, self.limits.idle_timeout);
        match (lifetime, idle) {
            (None, None) => None,
            (Some(_), None) => Some(Limit::MaxLifetime),
            (None, Some(_)) => Some(Limit::IdleTimeout),
            (Some(lifetime), Some(idle)) => {
                let used = self.looked.unwrap_or(now);
                let is_lifetime = match age? {
                    Age::Since(birth) => birth + lifetime <= used + idle,
                    Age::Old => true,
                    Age::Young => false,
                };
                Some(if is_lifetime {
                    Limit::MaxLifetime
                } else {
                    Limit::IdleTimeout
                })
            }
        }
    }

    /// Whether a connection that was closed since the last look was older than `max_lifetime`.
    fn is_old(&self, age: Option<Age>, now: Instant) -> bool {
        match age {
            Some(Age::Since(birth)) => {
                let near = |looked: &Instant| now.saturating_duration_since(*looked) > NEAR;
                self.has_lived(birth, self.looked.filter(near).unwrap_or(now))
            }
            Some(Age::Old) => true,
            Some(Age::Young) | None => false,
        }
    }

    fn has_lived(&self, birth: Instant, now: Instant) -> bool {
        let age = now.saturating_duration_since(birth);
        self.limits.max_lifetime.is_some_and(|limit| age >= limit)
    }
}

/// The age of a connection when it was closed.
#[derive(Clone, Copy, Debug)]
enum Age {
    /// Opened then, and closed since the last look.
    Since(Instant),
    /// Over `max_lifetime`.
    Old,
    Young,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    MaxLifetime,
    IdleTimeout,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(50);
    const IDLE: Duration = Duration::from_secs(20);

    /// A pool at a time, seen by the ledger.
    struct Pool {
        ledger: Ledger,
        now: Instant,
        gone: u64,
        turns: u64,
        is_under_way: bool,
        is_lent: bool,
        is_closed: bool,
    }

    fn pool(lifetime: Option<Duration>, idle: Option<Duration>) -> Pool {
        let limits = Limits {
            idle_timeout: idle,
            max_lifetime: lifetime,
            ..Limits::for_tests(10)
        };
        Pool {
            ledger: Ledger::new(limits),
            now: Instant::now(),
            gone: 0,
            turns: 0,
            is_under_way: false,
            is_lent: false,
            is_closed: false,
        }
    }

    impl Pool {
        fn opens(&mut self, number: u64) -> &mut Self {
            for _ in 0..number {
                self.turns += 1;
                self.ledger.keeps_new(self.now);
            }
            self
        }

        fn passes(&mut self, time: Duration) -> &mut Self {
            self.now += time;
            self
        }

        fn look(&mut self) -> ClosedBy {
            self.ledger.look(Seen {
                gone: self.gone,
                used: Use {
                    turns: (!self.is_lent).then_some(self.turns),
                    is_under_way: self.is_under_way,
                    is_closed: self.is_closed,
                },
                now: self.now,
            })
        }
    }

    #[test]
    fn what_nobody_used_was_closed_by_the_pool() {
        let idle = |count| ClosedBy {
            idle_timeout: count,
            ..ClosedBy::default()
        };
        let mut pool = pool(Some(LIFETIME), Some(IDLE));
        pool.opens(5).look();
        pool.passes(IDLE).gone = 3;
        assert_eq!(pool.look(), idle(3));
        // One acquire since: it may have found a dead connection.
        pool.turns += 1;
        pool.gone = 5;
        assert_eq!(
            pool.look(),
            ClosedBy {
                elsewhere: 1,
                ..idle(4)
            }
        );
    }

    #[test]
    fn the_limit_is_the_one_that_was_reached_first() {
        let mut lifetime = pool(Some(LIFETIME), Some(IDLE));
        lifetime.opens(1).passes(Duration::from_secs(30)).look();
        lifetime.passes(2 * LIFETIME).gone = 1;
        assert_eq!(lifetime.look().max_lifetime, 1);
        let mut idle = pool(Some(LIFETIME), Some(IDLE));
        idle.opens(1).look();
        idle.passes(2 * LIFETIME).gone = 1;
        assert_eq!(idle.look().idle_timeout, 1);
    }

    #[test]
    fn in_use_a_connection_is_known_by_its_age() {
        let mut pool = pool(Some(LIFETIME), Some(IDLE));
        pool.is_under_way = true;
        pool.opens(2).passes(LIFETIME / 2).opens(2).look();
        pool.passes((LIFETIME / 2).saturating_sub(NEAR)).look();
        pool.passes(NEAR).gone = 3;
        let by = pool.look();
        assert_eq!((by.max_lifetime, by.elsewhere), (2, 1));
    }

    #[test]
    fn not_by_an_age_that_it_may_not_have_reached() {
        let mut pool = pool(Some(LIFETIME), None);
        pool.opens(1).look();
        pool.turns += 1;
        pool.passes(2 * LIFETIME).gone = 1;
        let by = pool.look();
        assert_eq!((by.max_lifetime, by.elsewhere), (0, 1), "{by:?}");
    }

    #[test]
    fn without_a_limit_the_pool_closes_nothing() {
        let mut pool = pool(None, None);
        pool.opens(2).look();
        pool.passes(LIFETIME).gone = 2;
        assert_eq!(pool.look().elsewhere, 2);
    }

    #[test]
    fn nothing_is_known_of_what_plain_sqlx_does() {
        let mut pool = pool(None, Some(IDLE));
        pool.is_lent = true;
        pool.opens(2).look();
        pool.passes(IDLE).gone = 2;
        assert_eq!(pool.look().elsewhere, 2);
    }

    #[test]
    fn what_a_statement_has_found_broken_is_no_old_one() {
        let mut pool = pool(Some(LIFETIME), None);
        pool.is_under_way = true;
        pool.opens(2).look();
        pool.ledger.broke();
        pool.passes(LIFETIME).look();
        pool.gone = 2;
        let by = pool.look();
        assert_eq!((by.max_lifetime, by.elsewhere), (1, 1));
    }

    #[test]
    fn a_close_that_is_shown_counts_before_it_has_ended() {
        let mut pool = pool(None, Some(IDLE));
        pool.opens(2).look();
        pool.ledger.closes(Shown::Program);
        assert_eq!((pool.look().program, pool.look().total()), (1, 1));
        pool.gone = 1;
        assert_eq!((pool.look().program, pool.look().total()), (1, 1));
    }

    #[test]
    fn a_closed_pool_was_closed_by_the_program() {
        let mut pool = pool(Some(LIFETIME), None);
        pool.opens(2).look();
        pool.is_closed = true;
        pool.passes(LIFETIME).gone = 2;
        assert_eq!(pool.look().program, 2);
    }

    #[test]
    fn many_between_two_looks_take_no_memory() {
        let mut pool = pool(Some(LIFETIME), None);
        pool.is_under_way = true;
        pool.opens(10).passes(LIFETIME).opens(990).look();
        assert_eq!(pool.ledger.births.len(), 10);
        pool.gone = 990;
        let by = pool.look();
        assert_eq!((by.max_lifetime, by.elsewhere), (10, 980));
    }
}
