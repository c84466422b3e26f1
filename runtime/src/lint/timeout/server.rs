//! Verdicts about connections that do not come: no server, or permits that no known handle accounts for.

use super::diagnose::Case;
use crate::finding::{Certainty, Fact, Verdict};
use crate::handle::Standing;
use crate::lint::unaccounted::unexplained;
use crate::measure::units::short;
use crate::pool_state::connect_probe::Answer;
use crate::pool_state::episode::Diagnosis;

impl Case<'_> {
    /// There are permits, and no connection comes of them.
    pub(super) fn unreachable(&self) -> Option<Diagnosis> {
        let pool = &self.waiter.pool;
        if pool.permits.taken() >= self.max() {
            return None;
        }
        let probe = self.probe()?;
        let ago = short(self.now.saturating_duration_since(probe.began));
        let address = self.pool.endpoint();
        let (certainty, cause) = match &probe.answer {
            Answer::Connected => return None,
            Answer::Failed(error) => (
                if probe.ran_beside(self.waiter.asked()) {
                    Certainty::Certain
                } else {
                    Certainty::Likely
                },
                format!("connecting to {address} fails: {error}"),
            ),
            Answer::Crowded(error) => (
                Certainty::Likely,
                format!("one more connection to {address} is refused: {error}"),
            ),
            Answer::Open => (
                Certainty::Likely,
                format!("connecting to {address} began {ago} ago and got no answer"),
            ),
            // A server that is merely slow to answer is given a part of the wait.
            Answer::GivenUp(after) if *after < self.waited / 4 => return None,
            Answer::GivenUp(after) => (
                Certainty::Likely,
                format!("connecting to {address} got no answer in {}", short(*after)),
            ),
        };
        let mut diagnosis = Diagnosis::new(Verdict::Unreachable, certainty, cause);
        diagnosis
            .facts
            .push(Fact::new("tried", format!("{ago} ago")));
        diagnosis.help = vec![
            format!(
                "see whether a server listens at {address}, and whether this machine may reach it"
            ),
            format!(
                "a pool tries until its time is up; to have the error itself, and at once, connect once without one when the \
                 program starts: `{}::connect(url).await?`",
                address.connection
            ),
        ];
        Some(diagnosis)
    }

    /// Permits are gone, and nobody who is known has them.
    pub(super) fn unaccounted(&self) -> Option<Diagnosis> {
        let pool = &self.waiter.pool;
        if pool.lent_at().is_some() {
            return None;
        }
        let in_use = u64::from(self.pool.size().saturating_sub(self.pool.idle()));
        let returning = pool.permits.returning();
        let known = pool.held() + returning;
        // Where the server can be reached and every permit is gone, who waits has none. Where permits go from hand to hand,
        // one may be on its way to somebody who still counts as waiting.
        let reachable = pool.endpoint.system.is_embedded()
            || self
                .probe()
                .is_some_and(|probe| matches!(probe.answer, Answer::Connected));
        let unexplained = if reachable && in_use >= self.max() && self.granted() == 0 {
            in_use.saturating_sub(known)
        } else {
            unexplained(self.pool)
        };
        // A return takes a moment; one that takes half of a timeout hangs.
        let hanging = self.claims.iter().filter(|claim| {
            matches!(claim.glance().standing, Standing::Returning(since)
                if self.now.saturating_duration_since(since) >= self.waited / 2)
        });
        let hanging = hanging.count() as u64;
        if hanging > 0 {
            let cause = format!(
                "{} given back and not there again: sqlx checks each with the server first, and it does not answer",
                match hanging {
                    1 => "1 connection was".to_owned(),
                    hanging => format!("{hanging} connections were"),
                }
            );
            let mut diagnosis = Diagnosis::new(Verdict::Unaccounted, Certainty::Likely, cause);
            diagnosis.help = vec![
                "bound the return: `SQLX_LEASH=\"return_timeout=10s\"` or `leash::Config::return_timeout`".to_owned(),
            ];
            return Some(diagnosis);
        }
        if unexplained == 0 {
            return None;
        }
        let (who, help) = if pool.is_shared() {
            (
                "something takes connections from the plain sqlx pool that this one was made from",
                "where other code needs plain sqlx's pool, give it `pool.as_sqlx()`: its permits are then known as lent",
            )
        } else {
            (
                "nobody else has the plain pool, so it looks as if sqlx has them, and opens, checks, gives back or closes connections \
                 that hang",
                "have idle connections end before something on the way to the server drops them without a word: \
                 `PoolOptions::idle_timeout`, `max_lifetime`",
            )
        };
        let cause = format!(
            "{} in use by nobody that is known: {who}",
            match unexplained {
                1 => "1 permit is".to_owned(),
                unexplained => format!("{unexplained} permits are"),
            }
        );
        let mut diagnosis = Diagnosis::new(Verdict::Unaccounted, Certainty::Likely, cause);
        diagnosis.help = vec![help.to_owned()];
        Some(diagnosis)
    }
}
