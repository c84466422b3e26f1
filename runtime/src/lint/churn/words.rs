//! What a churn's finding says: for each cause a title, a cause and the help.

use std::time::Duration;

use super::cause::Cause;
use super::turnover::Change;
use crate::finding::{Certainty, Fact};
use crate::measure::units::{count, per_second, round, short};
use crate::pool_state::PoolState;
use crate::pool_state::endpoint::System;

/// A churn, in words.
pub(super) struct Words<'a> {
    pub(super) pool: &'a PoolState,
    pub(super) cause: Cause,
    pub(super) change: &'a Change,
    /// Connections that are open now.
    pub(super) size: u64,
}

impl Words<'_> {
    pub(super) fn title(&self) -> String {
        let (name, limits) = (self.pool.name(), &self.pool.limits);
        let time = |time: Option<Duration>| round(time.unwrap_or_default());
        let why = match self.cause {
            Cause::Program => format!("the program closes connections of pool {name}"),
            Cause::Hook => format!("a hook of pool {name} refuses connections"),
            Cause::Cancelled => {
                format!(
                    "connections of pool {name} are closed because their statements are cut off"
                )
            }
            Cause::AcquireOver => {
                format!("acquires of pool {name} are over before their connections are ready")
            }
            Cause::Lifetime => format!(
                "max_lifetime is {} in pool {name}",
                time(limits.max_lifetime)
            ),
            Cause::IdleTime => format!(
                "idle_timeout is {} in pool {name}",
                time(limits.idle_timeout)
            ),
            Cause::Elsewhere => {
                format!("the server or the network closes connections of pool {name}")
            }
        };
        let anew = match self.cause {
            Cause::AcquireOver => "are opened and thrown away",
            _ => "are made anew",
        };
        let rate = per_second(self.change.opened, self.change.over);
        let connections = if rate == "1" {
            "connection"
        } else {
            "connections"
        };
        let takes = match self.each() {
            Some(each) => format!(", and each takes {} to open", short(each)),
            None => String::new(),
        };
        format!("{why}: {rate} {connections} a second {anew}{takes}")
    }

    /// How long a connect took, on average of those whose time is known.
    fn each(&self) -> Option<Duration> {
        let (connects, _) = self.pool.connections.read_connects();
        (connects.count > 0).then(|| connects.mean())
    }

    /// Why, as far as it is counted.
    pub(super) fn cause(&self) -> (Certainty, String) {
        let (of_it, all) = (
            self.cause.of(&self.change.closed),
            self.change.closed.total(),
        );
        let over = short(self.change.over);
        let share = format!("{of_it} of the {all} connections that were closed in the last {over}");
        let says = match self.cause {
            Cause::Program => format!(
                "{share} were closed by the program itself: by {}",
                self.calls()
            ),
            Cause::Hook => {
                format!("{share} were refused by a hook, which returned `Ok(false)` or an error")
            }
            Cause::Cancelled => format!(
                "{share} were closed because a statement or a return was dropped before its end"
            ),
            Cause::AcquireOver => format!(
                "{share} were thrown away, because the acquire that they were for was over before a hook had ended"
            ),
            Cause::Lifetime => format!(
                "{share} were older than `max_lifetime`: sqlx closes such a connection when it is given back or idle"
            ),
            Cause::IdleTime => format!(
                "{share} were closed while nobody used them: sqlx closes a connection that is idle for `idle_timeout`, and opens another one when the pool is used again"
            ),
            Cause::Elsewhere => format!(
                "{share} were closed by neither the program nor the pool: the server, a pooler or the network has ended them"
            ),
        };
        let certainty = match self.cause {
            Cause::Program | Cause::Hook | Cause::Cancelled | Cause::AcquireOver => {
                Certainty::Certain
            }
            // sqlx does not show when it closes a connection itself.
            Cause::Lifetime | Cause::IdleTime | Cause::Elsewhere => Certainty::Likely,
        };
        (certainty, says)
    }

    /// The calls by which the program closes connections.
    fn calls(&self) -> &'static str {
        match self.change.detached {
            0 => "`close()` or `close_on_drop()`",
            detached if detached >= self.change.closed.program => "`detach()`",
            _ => "`close()`, `close_on_drop()` or `detach()`",
        }
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let change = self.change;
        let max = self.pool.limits.max_connections;
        let mut facts = vec![
            Fact::new(
                "opened",
                format!("{} in {}", change.opened, short(change.over)),
            ),
            Fact::new("closed", self.closed()),
            Fact::new("open now", format!("{} of at most {max}", self.size)),
        ];
        if let Some(each) = self.each() {
            facts.push(Fact::new("a connect takes", short(each)));
        }
        facts
    }

    /// The numbers of closed connections by cause, the largest first: `31: 30 by max_lifetime, 1 by the program`.
    fn closed(&self) -> String {
        let closed = &self.change.closed;
        let mut parts = closed.parts();
        parts.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let parts: Vec<String> = parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, cause)| format!("{number} {cause}"))
            .collect();
        format!("{}: {}", closed.total(), parts.join(", "))
    }

    pub(super) fn helps(&self) -> Vec<String> {
        match self.cause {
            Cause::Program => self.keep(),
            Cause::Hook => vec![
                "let the hook refuse only a connection that cannot be used: `before_acquire` and `after_release` return `Ok(true)` for all others".to_owned(),
                "where it refuses a connection for what a holder has left on it, let it undo that, and return `Ok(true)`".to_owned(),
            ],
            Cause::Cancelled => self.let_them_end(),
            Cause::AcquireOver => self.more_time(),
            Cause::Lifetime => vec![
                "let connections live longer: `.max_lifetime(Duration::from_secs(30 * 60))`, sqlx's default, or `None` where nothing else limits their age".to_owned(),
                "keep `max_lifetime` below the limit of the server, of a pooler and of a load balancer, if they have one".to_owned(),
            ],
            Cause::IdleTime => vec![
                "keep idle connections for longer than the time between two bursts: `.idle_timeout(Duration::from_secs(10 * 60))`, sqlx's default, or `None`".to_owned(),
                "or open fewer at once: with a smaller `max_connections`, each connection is used again sooner".to_owned(),
            ],
            Cause::Elsewhere => self.look_at_the_server(),
        }
    }

    fn keep(&self) -> Vec<String> {
        let mut helps = Vec::new();
        let closed = self.change.closed.program;
        if closed > self.change.detached {
            helps.push("let the connection go back to the pool: drop it, without `close()` and `close_on_drop()`".to_owned());
        }
        if self.change.detached > 0 {
            helps.push("use the connection as the pool lends it, without `detach()`: what is detached never comes back to the pool".to_owned());
        }
        if self.pool.endpoint.system == System::Postgres {
            helps.push("where it is closed to get rid of its state, set that state for a transaction alone: `SET LOCAL`".to_owned());
        }
        helps
    }

    fn let_them_end(&self) -> Vec<String> {
        let mut helps = vec![
            "let statements end: a timeout or a `select!` around a query drops it while the server still works on it".to_owned(),
        ];
        if let Some(limit) = self.pool.endpoint.system.statement_limit() {
            helps.push(format!(
                "limit their time on the server, which keeps the connection: {limit}"
            ));
        }
        helps
    }

    fn more_time(&self) -> Vec<String> {
        let timeout = round(self.pool.limits.acquire_timeout);
        vec![
            format!(
                "give an acquire more time than a connect takes: `.acquire_timeout(…)`, now {timeout}"
            ),
            "open connections before they are needed: `.min_connections(…)`".to_owned(),
        ]
    }

    fn look_at_the_server(&self) -> Vec<String> {
        let limit = match self.pool.endpoint.connection {
            "PgConnection" => "`idle_session_timeout` of the server",
            "MySqlConnection" => "`wait_timeout` of the server",
            _ => "the idle limit of the server",
        };
        vec![
            format!("look for what closes them: {limit}, a pooler's or a load balancer's limits, a server that restarts; its log has the reason"),
            "compare the pool with its server's limits: `println!(\"{}\", leash::doctor(&pool).await)`".to_owned(),
            "if it is a limit, use a connection sooner than that: fewer connections, `.max_connections(…)`, are each used more often".to_owned(),
        ]
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let limits = &self.pool.limits;
        let minimum = limits.min_connections;
        let mut notes = Vec::new();
        if self.cause == Cause::IdleTime && minimum > 0 {
            notes.push(format!("`min_connections({minimum})` keeps no connection beyond `idle_timeout`: sqlx closes it, and opens another one"));
        }
        if self.cause == Cause::Elsewhere && self.pool.lent_at().is_some() {
            notes.push(
                "the pool was handed to plain sqlx, whose users may close connections as well"
                    .to_owned(),
            );
        }
        if self.cause == Cause::AcquireOver {
            notes.push(format!(
                "{} timed out so far",
                count(
                    self.pool
                        .counters
                        .timeouts
                        .load(std::sync::atomic::Ordering::Relaxed),
                    "acquire"
                )
            ));
        }
        notes
    }
}
