//! A statement, step by step: recorded when it begins, when it ends and when it is cancelled; judged; reported.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::startup;
use crate::handle::Handle;
use crate::lint;
use crate::log;
use crate::pool_state::endpoint::System;
use crate::scope::{context, counted};
use crate::site::tally::{self, Outcome, Tally};
use crate::site::{self, Site};
use crate::snapshot::Activity;

/// A statement whose result is awaited as a whole, handed over but not begun: a future that was never polled is no call.
#[derive(Debug)]
pub(crate) struct Prepared {
    site: Option<&'static Site>,
}

/// A statement whose rows the consumer reads one by one, handed over but not begun.
#[derive(Debug)]
pub(crate) struct PreparedRows {
    site: Option<&'static Site>,
}

/// A statement whose counters are known, not begun.
#[derive(Debug)]
pub(crate) struct Ready {
    tally: &'static Tally,
    /// Where it is sent, if that is known already.
    site: Option<&'static Site>,
    activity: Activity,
}

impl Prepared {
    pub(crate) fn new() -> Self {
        counted::answer_that_it_counts();
        Self {
            site: context::site(),
        }
    }

    /// The statement begins now. It belongs to where it is awaited.
    pub(crate) fn begin(self, sql: &str, system: System, handle: Option<Arc<Handle>>) -> Running {
        if startup::is_off() {
            return Running::uncounted(handle, system);
        }
        let site = context::site().or(self.site);
        let ready = Ready {
            tally: look_up(site, sql),
            site,
            activity: Activity::Busy,
        };
        ready.begin(system, handle)
    }
}

impl PreparedRows {
    pub(crate) fn new() -> Self {
        counted::answer_that_it_counts();
        Self {
            site: context::site(),
        }
    }

    /// Where the stream was made, if that is a call site.
    pub(crate) fn site(&self) -> Option<&'static Site> {
        self.site
    }

    /// Looks the text up now, while it is at hand. The statement belongs to where the stream was made.
    pub(crate) fn look_up(self, sql: &str) -> Ready {
        let site = self.site.or_else(context::site);
        Ready {
            tally: look_up(site, sql),
            site,
            activity: Activity::Streaming,
        }
    }
}

/// The counters for a text: the call site's where it is known, else the function's, else the text's alone.
fn look_up(site: Option<&'static Site>, sql: &str) -> &'static Tally {
    match (site, context::function()) {
        (Some(site), _) => site.tally(sql),
        (None, Some(function)) => function.tally(sql),
        (None, None) => tally::without_site(sql),
    }
}

impl Ready {
    /// The statement begins now.
    ///
    /// # Panics
    ///
    /// At its call site, where it is the one over a budget that is at deny.
    pub(crate) fn begin(self, system: System, handle: Option<Arc<Handle>>) -> Running {
        // A pool of `Any` knows where it leads; the type does not.
        let system = handle
            .as_ref()
            .map_or(system, |handle| handle.pool.endpoint.system);
        if startup::is_off() {
            return Running::uncounted(handle, system);
        }
        let tally = self.tally;
        // However many layers see a statement, the outermost counts it.
        let counts = !counted::is_counted();
        if counts && let Some(scope) = context::scope() {
            let broken = scope.count_statement(tally);
            if !broken.is_empty() {
                let site = self.site.or_else(context::site);
                // There is no statement yet that a panic could cancel.
                if let Some((function, message)) = lint::query_budget(&broken, tally, site) {
                    site::panic_at(site, Some(function), &message);
                }
            }
        }
        let counted = counts.then(|| (tally, tally.begin()));
        let began = handle.as_ref().map_or_else(Instant::now, |handle| {
            handle.begin_statement(tally, self.activity)
        });
        Running::new(handle, system, counted, began)
    }
}

/// A statement that has begun. Dropped before [`end`](Running::end), it was cancelled.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its tally, and how many calls this one makes there.
    counted: Option<(&'static Tally, u64)>,
    handle: Option<Arc<Handle>>,
    system: System,
    /// When the current stretch began, of waiting for the database or for the consumer.
    began: Instant,
    /// What earlier stretches of the database took.
    waited: Duration,
    /// What those of the consumer took.
    paused_for: Duration,
    /// The consumer has a row and has not asked for the next: its time is not the statement's.
    paused: bool,
    rows: u64,
    affected: u64,
    /// The database has begun to answer.
    answered: bool,
    ended: bool,
}

impl Running {
    fn new(
        handle: Option<Arc<Handle>>,
        system: System,
        counted: Option<(&'static Tally, u64)>,
        began: Instant,
    ) -> Self {
        Self {
            counted,
            handle,
            system,
            began,
            waited: Duration::ZERO,
            paused_for: Duration::ZERO,
            paused: false,
            rows: 0,
            affected: 0,
            answered: false,
            ended: false,
        }
    }

    /// One of which nothing is counted: everything is switched off.
    fn uncounted(handle: Option<Arc<Handle>>, system: System) -> Self {
        Self::new(handle, system, None, Instant::now())
    }

    #[inline]
    pub(crate) fn row(&mut self) {
        self.answered = true;
        self.rows += 1;
    }

    pub(crate) fn rows(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    pub(crate) fn affected(&mut self, rows: u64) {
        self.answered = true;
        // SQLite and PostgreSQL report a number for reads, too.
        if self
            .counted
            .as_ref()
            .is_some_and(|(tally, _)| tally.writes())
        {
            self.affected += rows;
        }
    }

    /// A row goes to the consumer of a stream.
    #[inline]
    pub(crate) fn yielded_row(&mut self) {
        self.row();
        if let Some(handle) = &self.handle {
            handle.read_rows(self.rows);
        }
    }

    /// The consumer has something: until it asks again, time is its own. Rows that lie ready cost no clock read.
    #[inline]
    pub(crate) fn pause(&mut self) {
        if !self.paused {
            let now = Instant::now();
            self.waited += now.saturating_duration_since(self.began);
            self.began = now;
            self.paused = true;
            if let Some(handle) = &self.handle {
                handle.have_rows(self.waited);
            }
        }
    }

    /// The stream has nothing ready: the database is being waited for.
    #[inline]
    pub(crate) fn resume(&mut self) {
        if self.paused {
            let now = Instant::now();
            self.paused_for += now.saturating_duration_since(self.began);
            self.began = now;
            self.paused = false;
            if let Some(handle) = &self.handle {
                handle.await_rows(self.paused_for);
            }
        }
    }

    /// The statement is over.
    pub(crate) fn end(&mut self, error: Option<&sqlx::Error>) {
        self.finish(
            if error.is_none() {
                Outcome::Ok
            } else {
                Outcome::Error
            },
            error,
        );
    }

    fn finish(&mut self, outcome: Outcome, error: Option<&sqlx::Error>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let now = Instant::now();
        let time = if self.paused {
            self.waited
        } else {
            self.waited + now.saturating_duration_since(self.began)
        };
        let failed = match outcome {
            Outcome::Ok => false,
            // Whoever drops a stream that has answered has had enough.
            Outcome::Cancelled => !self.answered,
            Outcome::Error => true,
        };
        let told_slow = self
            .handle
            .as_ref()
            .is_some_and(|handle| handle.end_statement(now, failed));
        let Some((tally, calls)) = &self.counted else {
            return;
        };
        if let Some(handle) = &self.handle {
            if tally.ends_transaction() && outcome == Outcome::Ok {
                handle.note_end_by_text();
            } else if tally.writes() {
                // Rows that were read before the consumer had enough were written, too; an error takes all of it back.
                let wrote = match outcome {
                    Outcome::Ok => self.affected > 0 || self.rows > 0 || tally.changes_schema(),
                    Outcome::Cancelled => self.affected > 0 || self.rows > 0,
                    Outcome::Error => false,
                };
                handle.note_write(tally, wrote);
            }
        }
        tally.finish(outcome, time, self.rows, self.affected);
        if !told_slow {
            lint::slow_query_ended(tally, self.handle.as_ref(), time, outcome);
        }
        log::query(&log::Query {
            tally,
            system: self.system,
            pool: self.handle.as_ref().map(|handle| &handle.pool),
            outcome,
            error,
            time,
            rows: self.rows,
            affected: self.affected,
            calls: *calls,
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // sqlx's MySQL driver forgets the answer to a PREPARE that was given up, and takes it for that to the next
        // statement. From the first row on it knows what is still to come.
        if !self.ended
            && !self.answered
            && self.system.forgets_abandoned_answers()
            && let Some(handle) = &self.handle
        {
            handle.poison();
        }
        self.finish(Outcome::Cancelled, None);
    }
}
