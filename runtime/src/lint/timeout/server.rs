//! Verdicts about connections that do not come: no server answers, or no known handle accounts for the permits.

use std::sync::Arc;
use std::time::Duration;

use super::diagnose::{Case, LET_IDLE_ONES_EXPIRE};
use super::full_server::Server;
use crate::finding::{Certainty, Verdict};
use crate::handle::unread::Unread;
use crate::handle::{Handle, Standing};
use crate::lint::describe::acquires_were;
use crate::lint::unaccounted::unexplained;
use crate::lint::unread;
use crate::measure::units::{count, short};
use crate::pool_state::connect_probe::Answer;
use crate::pool_state::episode::Diagnosis;

/// A server that has not answered a connect for less than this is not silent.
const SILENCE: Duration = Duration::from_millis(250);

impl Case<'_> {
    /// Permits are free, and no connection can be opened for them.
    pub(super) fn unreachable(&self) -> Option<Diagnosis> {
        if self.waiter.pool.permits.taken() >= self.max() || self.is_queue() {
            return None;
        }
        let probe = self.probe()?;
        let ago = short(self.now.saturating_duration_since(probe.began));
        let address = self.pool.endpoint();
        let (certainty, cause) = match &probe.answer {
            Answer::Connected => return None,
            Answer::Full(error) => {
                let server = Server::of(&address);
                // One more than the pool's own may be the one too many.
                let diagnosis = server.refuses(Certainty::Likely, error);
                return Some(diagnosis.fact("tried", format!("{ago} ago")));
            }
            // The server answers the connections that are open. That a further one takes long is no evidence against it.
            Answer::Open | Answer::GivenUp(_) if self.granted() > 0 => return None,
            Answer::Failed(error) => (
                if probe.ran_beside(self.waiter.asked()) {
                    Certainty::Certain
                } else {
                    Certainty::Likely
                },
                format!("connecting to {address} fails: {error}"),
            ),
            Answer::Open if self.now.saturating_duration_since(probe.began) < SILENCE => {
                return None;
            }
            Answer::Open => (
                Certainty::Likely,
                format!("a connect to {address} began {ago} ago and has no answer yet"),
            ),
            // A server that is only slow may take a part of the wait to answer.
            Answer::GivenUp(after) if *after < SILENCE.max(self.waited / 4) => return None,
            Answer::GivenUp(after) => (
                Certainty::Likely,
                format!("a connect to {address} got no answer in {}", short(*after)),
            ),
        };
        Some(
            Diagnosis::new(Verdict::Unreachable, certainty, cause)
                .fact("tried", format!("{ago} ago"))
                .help(format!(
                    "see whether a server listens at {address}, and whether this machine may reach it"
                ))
                .help(format!(
                    "the pool retries until `acquire_timeout`; to get the real error at once, connect without a pool when the \
                     program starts: `{}::connect(url).await?`, with `use sqlx::Connection`",
                    address.connection
                )),
        )
    }

    /// Permits are free, and other acquires were served: this one has waited for a connection of its own.
    pub(super) fn still_opening(&self) -> Option<Diagnosis> {
        let served = self.granted();
        if served == 0 || self.waiter.pool.permits.taken() >= self.max() {
            return None;
        }
        let cause = format!(
            "{} served during this wait on connections that are open, and permits are free: this one waited for a further \
             connection, which was not ready in time",
            acquires_were(served)
        );
        Some(
            Diagnosis::new(Verdict::Unknown, Certainty::Unknown, cause)
                .help("see how long the server takes to accept a connection, and what the hooks do (`after_connect`, `before_acquire`)")
                .help("open the connections before they are needed: `PoolOptions::min_connections`"),
        )
    }

    /// The connections that have been on their way back for half of this wait or longer, if they are what the pool lacks.
    fn long_returns(&self) -> impl Iterator<Item = &Arc<Handle>> + Clone {
        let is_long = |claim: &&Arc<Handle>| {
            matches!(claim.glance().standing, Standing::Returning(since)
                if self.now.saturating_duration_since(since) >= self.waited / 2)
        };
        let long = self.claims.iter().filter(is_long);
        // While the pool serves others, a few late returns are not what it lacks.
        let matters = self.granted() == 0 || (long.clone().count() as u64) * 2 >= self.max();
        long.filter(move |_| matters)
    }

    /// Connections were released with rows unread, and read them before their permits are free.
    pub(super) fn reads_on(&self) -> Option<Diagnosis> {
        self.delayed_by(|claim| claim.reads_on(self.now))
    }

    /// Connections were released while their statements, which were dropped, may still run.
    pub(super) fn runs_on(&self) -> Option<Diagnosis> {
        self.delayed_by(Handle::runs_on)
    }

    fn delayed_by(&self, unread: impl Fn(&Handle) -> Option<Unread>) -> Option<Diagnosis> {
        let delayed: Vec<_> = self
            .long_returns()
            .filter_map(|claim| Some((claim, unread(claim)?)))
            .collect();
        let (first, unread) = delayed.first()?;
        let mut diagnosis = Diagnosis::new(
            Verdict::Unaccounted,
            Certainty::Likely,
            unread::cause(unread),
        );
        if delayed.len() > 1 {
            diagnosis = diagnosis.fact("such returns", delayed.len().to_string());
        }
        diagnosis.related.extend(unread::place(unread));
        diagnosis.help = unread::help(first, unread);
        Some(diagnosis)
    }

    /// Connections were released, and their permits are not free although a return takes only a moment.
    pub(super) fn hanging_return(&self) -> Option<Diagnosis> {
        if self.waiter.pool.lent_at().is_some() {
            return None;
        }
        let subject = match self.long_returns().count() {
            0 => return None,
            1 => "1 connection was released and its permit is not free yet".to_owned(),
            hanging => {
                format!("{hanging} connections were released and their permits are not free yet")
            }
        };
        let others = if self.granted() > 0 {
            " there, while it answers on other connections"
        } else {
            ""
        };
        let cause =
            format!("{subject}: sqlx pings the server first, which does not answer{others}");
        Some(
            Diagnosis::new(Verdict::Unaccounted, Certainty::Likely, cause).help(
                "limit the time of a return: `SQLX_LEASH=\"return_timeout=10s\"` or `leash::Config::return_timeout`",
            ),
        )
    }

    /// Permits are in use, and no known handle holds them.
    pub(super) fn unaccounted(&self) -> Option<Diagnosis> {
        let pool = &self.waiter.pool;
        if pool.lent_at().is_some() {
            return None;
        }
        let in_use = u64::from(self.pool.size().saturating_sub(self.pool.idle()));
        let known = pool.permits.taken();
        // If the server answers and all connections are in use, no waiter holds one. If permits are being granted meanwhile,
        // a waiter may own one that is not counted as held yet.
        let answers = pool.endpoint.system.is_embedded()
            || self
                .probe()
                .is_some_and(|probe| matches!(probe.answer, Answer::Connected));
        let unexplained = if answers && in_use >= self.max() && self.granted() == 0 {
            in_use.saturating_sub(known)
        } else {
            unexplained(self.pool)
        };
        if unexplained == 0 {
            return None;
        }
        let (why, help) = if pool.is_shared() {
            (
                "some code takes connections from the plain sqlx pool that this one was made from",
                "where other code needs plain sqlx's pool, pass it `pool.as_sqlx()`: its permits then count as lent",
            )
        } else {
            (
                "no other code has the plain pool, so sqlx itself seems to hold them: it opens, pings, returns or closes \
                 connections that hang",
                LET_IDLE_ONES_EXPIRE,
            )
        };
        let cause = format!("{}: {why}", held_by_no_known_handle(unexplained));
        Some(Diagnosis::new(Verdict::Unaccounted, Certainty::Likely, cause).help(help))
    }
}

fn held_by_no_known_handle(permits: u64) -> String {
    let (are, them) = if permits == 1 {
        ("is", "it")
    } else {
        ("are", "them")
    };
    let permits = count(permits, "permit");
    format!("{permits} {are} in use, and no known handle holds {them}")
}
