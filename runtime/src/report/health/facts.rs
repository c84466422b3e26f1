//! What is known of a pool, and the state that follows from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::finding::{Certainty, Verdict};
use crate::handle::Handle;
use crate::measure::units::{count, short};
use crate::pool_state::PoolState;
use crate::pool_state::registry::ErasedPool;
use crate::pool_state::service::{Dry, Told, Unserved};
use crate::snapshot::{HealthStatus, PoolHealth};

/// A pool is down when it has served nobody for this time.
const DOWN_AFTER: Duration = Duration::from_secs(10);
/// What an acquire has shown is out of date after this time: nobody has asked since, and the database may be back.
const FRESH: Duration = Duration::from_secs(30);

/// What is known of one pool.
#[derive(Debug)]
pub(super) struct Facts {
    made: Instant,
    is_closed: bool,
    /// When the program has closed it, if it has.
    closed_at: Option<Instant>,
    /// Whether plain sqlx has it.
    is_lent: bool,
    has_served: bool,
    unserved: Option<Unserved>,
    /// When the server last answered on a connection that is held.
    answered: Option<Instant>,
    dry: Option<Dry>,
    told: Option<Told>,
    used: u64,
    max: u32,
    waiting: u64,
}

/// The state of a pool, since when and why.
#[derive(Debug)]
struct State {
    status: HealthStatus,
    since: Instant,
    reason: String,
    verdict: Option<(Verdict, Certainty)>,
}

impl Facts {
    pub(super) fn of<'c>(
        pool: &dyn ErasedPool,
        claims: impl Iterator<Item = &'c Arc<Handle>>,
    ) -> Self {
        let state = pool.state();
        let (service, now) = (&state.service, Instant::now());
        let granted = state.granted();
        let unserved = service.is_unserved(granted);
        let answered = || claims.filter_map(|claim| claim.answered_at()).max();
        Self {
            made: state.made,
            is_closed: pool.is_closed(),
            closed_at: service.closed_at(),
            is_lent: state.lent_at().is_some(),
            has_served: granted > 0 || pool.idle() > 0,
            answered: unserved.as_ref().and_then(|_| answered()),
            unserved,
            dry: service.is_dry(now),
            told: service.told(),
            used: state.permits.taken(),
            max: state.limits.max_connections,
            waiting: state.permits.waiting(),
        }
    }

    pub(super) fn read(&self, pool: &PoolState, now: Instant) -> PoolHealth {
        let state = self.judge(now);
        let since = pool.service.tell(state.status, state.since);
        let (verdict, certainty) = state.verdict.unzip();
        PoolHealth {
            pool: pool.label().to_string(),
            status: state.status,
            age: now.saturating_duration_since(since),
            reason: state.reason,
            verdict,
            certainty,
            used: self.used,
            max_connections: self.max,
            waiting: self.waiting,
        }
    }

    /// The first state that applies.
    fn judge(&self, now: Instant) -> State {
        self.closed(now)
            .or_else(|| self.down(now))
            .or_else(|| self.saturated())
            .unwrap_or_else(|| self.otherwise(now))
    }

    fn closed(&self, now: Instant) -> Option<State> {
        let since = self.closed_at.unwrap_or(now);
        self.is_closed
            .then(|| State::new(HealthStatus::Down, since, "it is closed"))
    }

    /// Nothing was served for long, and somebody has asked a short time ago.
    fn down(&self, now: Instant) -> Option<State> {
        let (unserved, since) = self.outage(now)?;
        (now.saturating_duration_since(unserved.last) < FRESH).then(|| {
            State::new(
                HealthStatus::Down,
                since,
                unserved_for(unserved, since, now),
            )
        })
    }

    /// The acquires that were not served for long, and since when nothing was.
    fn outage(&self, now: Instant) -> Option<(&Unserved, Instant)> {
        let unserved = self.unserved.as_ref()?;
        let since = self.nothing_since()?;
        // Where no connect has failed, only the acquires themselves show that no connection comes.
        let until = if unserved.refusal.is_some() {
            now
        } else {
            unserved.last
        };
        (until.saturating_duration_since(since) >= DOWN_AFTER).then_some((unserved, since))
    }

    /// Since when nothing is known to be served, if the last acquire was not.
    fn nothing_since(&self) -> Option<Instant> {
        let unserved = self.unserved.as_ref()?;
        let answered = self.answered.unwrap_or(unserved.since);
        (answered <= unserved.last).then(|| answered.max(unserved.since))
    }

    fn saturated(&self) -> Option<State> {
        let dry = self.dry?;
        let why = match dry.verdict {
            Some((verdict, certainty)) => format!("{verdict}, {}", sure(certainty)),
            None => "not known why".to_owned(),
        };
        let reason = format!("{}: {why}", self.usage());
        let mut state = State::new(HealthStatus::Saturated, dry.since, reason);
        state.verdict = dry.verdict;
        Some(state)
    }

    /// The pool is neither down nor dry.
    fn otherwise(&self, now: Instant) -> State {
        let status = if self.is_lent || self.outage(now).is_some() || !self.was_up() {
            HealthStatus::Unknown
        } else {
            HealthStatus::Up
        };
        let reason = match (&self.unserved, self.nothing_since()) {
            (Some(unserved), Some(since)) => unserved_for(unserved, since, now),
            _ if self.is_lent => "plain sqlx has it, and what that does is not seen".to_owned(),
            _ if status == HealthStatus::Unknown => "it was never used".to_owned(),
            _ => self.usage(),
        };
        // Before the first check, a state is as old as the pool if nothing is known to have gone wrong.
        let is_first = self.told.is_none() && self.unserved.is_none();
        State::new(status, if is_first { self.made } else { now }, reason)
    }

    fn was_up(&self) -> bool {
        self.has_served
            || self
                .told
                .is_some_and(|told| told.status == HealthStatus::Up)
    }

    fn usage(&self) -> String {
        let waiting = match self.waiting {
            0 => "no acquire waits".to_owned(),
            1 => "1 acquire waits".to_owned(),
            waiting => format!("{waiting} acquires wait"),
        };
        let permits = count(u64::from(self.max), "permit");
        format!("{} of {permits} taken, {waiting}", self.used)
    }
}

impl State {
    fn new(status: HealthStatus, since: Instant, reason: impl Into<String>) -> Self {
        Self {
            status,
            since,
            reason: reason.into(),
            verdict: None,
        }
    }
}

fn unserved_for(unserved: &Unserved, since: Instant, now: Instant) -> String {
    let (time, asked) = (
        short(now.saturating_duration_since(since)),
        now.saturating_duration_since(unserved.last),
    );
    let mut reason = format!("no acquire was served for {time}");
    if asked >= FRESH {
        reason += &format!(", and none was made for {}", short(asked));
    }
    match &unserved.refusal {
        Some(refusal) => format!("{reason}: {refusal}"),
        None => format!("{reason}: no connection came"),
    }
}

fn sure(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "certain",
        Certainty::Likely => "likely",
        Certainty::Unknown => "uncertain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool_state::service::{Attempt, Refusal, Service, Shows};

    /// A pool that has served, and what its acquires have shown since.
    struct Pool {
        service: Service,
        made: Instant,
        granted: u64,
        answered: Option<Instant>,
        is_lent: bool,
    }

    impl Pool {
        fn new() -> Self {
            Self {
                service: Service::default(),
                made: Instant::now(),
                granted: 1,
                answered: None,
                is_lent: false,
            }
        }

        /// The time that many seconds after it was made.
        fn at(&self, seconds: u64) -> Instant {
            self.made + Duration::from_secs(seconds)
        }

        /// An acquire has waited between these seconds and got no connection.
        fn ends(&self, asked: u64, ended: u64, shows: Shows) {
            let attempt = Attempt {
                asked: self.at(asked),
                granted_before: self.granted,
                granted: self.granted,
                shows,
            };
            self.service.unserved(attempt, self.at(ended));
        }

        fn state(&self, seconds: u64) -> State {
            let now = self.at(seconds);
            let unserved = self.service.is_unserved(self.granted);
            let facts = Facts {
                made: self.made,
                is_closed: false,
                closed_at: None,
                is_lent: self.is_lent,
                has_served: self.granted > 0,
                answered: self.answered,
                unserved,
                dry: self.service.is_dry(now),
                told: self.service.told(),
                used: 2,
                max: 10,
                waiting: 0,
            };
            let state = facts.judge(now);
            self.service.tell(state.status, state.since);
            state
        }

        #[track_caller]
        fn is(&self, seconds: u64, status: HealthStatus, reason: &str) {
            let state = self.state(seconds);
            assert_eq!((state.status, &*state.reason), (status, reason));
        }
    }

    const USAGE: &str = "2 of 10 permits taken, no acquire waits";
    const REFUSED: Shows = Shows::Failed(Refusal::Io(std::io::ErrorKind::ConnectionRefused));

    #[test]
    fn one_failed_connect_is_an_outage_after_ten_seconds_without_service() {
        let pool = Pool::new();
        pool.is(0, HealthStatus::Up, USAGE);
        pool.ends(1, 2, REFUSED);
        let why = |time| {
            format!("no acquire was served for {time} s: a connect fails: connection refused")
        };
        pool.is(10, HealthStatus::Up, &why("9.00"));
        pool.is(11, HealthStatus::Down, &why("10.0"));
        assert_eq!(pool.state(20).since, pool.at(1));
    }

    #[test]
    fn what_nobody_has_tried_for_long_is_unknown() {
        let pool = Pool::new();
        pool.ends(1, 2, REFUSED);
        assert_eq!(pool.state(31).status, HealthStatus::Down);
        pool.is(
            32,
            HealthStatus::Unknown,
            "no acquire was served for 31.0 s, and none was made for 30.0 s: a connect fails: connection refused",
        );
        // The next one that fails shows that the outage goes on.
        pool.ends(60, 61, REFUSED);
        assert_eq!(pool.state(61).status, HealthStatus::Down);
        assert_eq!(pool.state(61).since, pool.at(1));
    }

    #[test]
    fn a_permit_that_is_granted_ends_an_outage() {
        let mut pool = Pool::new();
        pool.ends(1, 20, REFUSED);
        assert_eq!(pool.state(20).status, HealthStatus::Down);
        pool.granted += 1;
        pool.is(21, HealthStatus::Up, USAGE);
        // A later failure begins anew.
        pool.ends(22, 23, REFUSED);
        assert_eq!(pool.state(31).status, HealthStatus::Up);
        assert_eq!(pool.state(32).status, HealthStatus::Down);
    }

    #[test]
    fn acquires_that_merely_end_must_themselves_span_the_time() {
        let pool = Pool::new();
        pool.ends(1, 2, Shows::NoConnection);
        let why = "no acquire was served for 24.0 s: no connection came";
        pool.is(25, HealthStatus::Up, why);
        pool.ends(27, 28, Shows::NoConnection);
        assert_eq!(pool.state(28).status, HealthStatus::Down);
    }

    #[test]
    fn an_answer_on_a_connection_that_is_held_shows_a_server() {
        let mut pool = Pool::new();
        pool.ends(1, 5, REFUSED);
        pool.ends(6, 8, REFUSED);
        pool.answered = Some(pool.at(7));
        assert_eq!(pool.state(16).status, HealthStatus::Up);
        assert_eq!(pool.state(17).status, HealthStatus::Down);
        pool.answered = Some(pool.at(9));
        pool.is(30, HealthStatus::Up, USAGE);
    }

    #[test]
    fn a_failed_connect_beside_acquires_that_were_served_counts_from_its_end() {
        let pool = Pool::new();
        let attempt = Attempt {
            asked: pool.at(1),
            granted_before: 0,
            granted: 1,
            shows: REFUSED,
        };
        pool.service.unserved(attempt.clone(), pool.at(9));
        assert_eq!(pool.state(18).status, HealthStatus::Up);
        assert_eq!(pool.state(19).status, HealthStatus::Down);
        let other = Pool::new();
        let shows = Shows::Inferred(Refusal::NoAnswer);
        other
            .service
            .unserved(Attempt { shows, ..attempt }, other.at(9));
        other.is(25, HealthStatus::Up, USAGE);
    }

    #[test]
    fn a_pool_that_never_served_is_unknown_until_it_is_down() {
        let mut pool = Pool::new();
        pool.granted = 0;
        pool.is(0, HealthStatus::Unknown, "it was never used");
        pool.ends(1, 2, REFUSED);
        assert_eq!(pool.state(10).status, HealthStatus::Unknown);
        assert_eq!(pool.state(11).status, HealthStatus::Down);
    }

    #[test]
    fn a_dry_pool_is_saturated_until_it_is_calm() {
        let pool = Pool::new();
        let hoarder = Some((Verdict::Hoarder, Certainty::Likely));
        pool.service.dry(pool.at(1), hoarder, pool.at(3));
        let why = "2 of 10 permits taken, no acquire waits: hoarder, likely";
        pool.is(3, HealthStatus::Saturated, why);
        // A timeout whose reason nobody has asked for keeps the last one.
        pool.service.dry(pool.at(4), None, pool.at(7));
        pool.is(11, HealthStatus::Saturated, why);
        assert_eq!(pool.state(11).since, pool.at(1));
        pool.is(12, HealthStatus::Up, USAGE);
        pool.service.dry(pool.at(19), None, pool.at(20));
        pool.is(
            20,
            HealthStatus::Saturated,
            "2 of 10 permits taken, no acquire waits: not known why",
        );
        assert_eq!(pool.state(20).since, pool.at(19));
    }

    #[test]
    fn a_pool_that_plain_sqlx_has_is_unknown_unless_its_own_acquires_fail() {
        let mut pool = Pool::new();
        pool.is_lent = true;
        let unseen = "plain sqlx has it, and what that does is not seen";
        pool.is(1, HealthStatus::Unknown, unseen);
        pool.service.dry(pool.at(1), None, pool.at(3));
        assert_eq!(pool.state(3).status, HealthStatus::Saturated);
        pool.ends(8, 9, REFUSED);
        assert_eq!(pool.state(18).status, HealthStatus::Down);
    }

    #[test]
    fn a_state_is_as_old_as_the_first_check_that_saw_it_or_as_its_cause() {
        let mut pool = Pool::new();
        let since = |pool: &Pool, seconds| {
            pool.state(seconds);
            pool.service.told().unwrap().since
        };
        assert_eq!(since(&pool, 5), pool.at(0));
        pool.ends(6, 7, REFUSED);
        assert_eq!(since(&pool, 20), pool.at(6));
        pool.granted += 1;
        assert_eq!(since(&pool, 21), pool.at(21));
        assert_eq!(since(&pool, 29), pool.at(21));
    }
}
