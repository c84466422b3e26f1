//! One statement on its way: counted when it begins, when it ends, and when it is given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config;
use crate::context;
use crate::handle::Handle;
use crate::lint;
use crate::report;
use crate::site::Site;
use crate::snapshot::Activity;
use crate::tally::{self, Outcome, Tally};

/// A statement that was handed over but not begun: a future that was never polled is no call.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The call site, when it is known at the call already (streams); else the one that is polled.
    site: Option<&'static Site>,
    activity: Activity,
    /// Found at the call, where the text is not at hand any more when the statement begins.
    tally: Option<&'static Tally>,
}

impl Prepared {
    /// A statement whose result is awaited as a whole.
    pub(crate) fn future() -> Self {
        context::answer_that_it_counts();
        Self {
            site: context::site(),
            activity: Activity::Busy,
            tally: None,
        }
    }

    /// A statement whose rows the consumer reads one by one.
    pub(crate) fn stream() -> Self {
        Self {
            activity: Activity::Streaming,
            ..Self::future()
        }
    }

    /// Looks the text up now.
    pub(crate) fn resolve(mut self, sql: &str) -> Self {
        self.tally = Some(self.look_up(sql));
        self
    }

    fn look_up(&self, sql: &str) -> &'static Tally {
        tally::of(self.site_now(), context::function(), sql)
    }

    fn site_now(&self) -> Option<&'static Site> {
        let polled = context::site();
        // A stream belongs to where it was made, a future to where it is awaited.
        match self.activity {
            Activity::Streaming => self.site.or(polled),
            _ => polled.or(self.site),
        }
    }

    /// Where it was called, if that is known and stays so.
    pub(crate) fn site(&self) -> Option<&'static Site> {
        match self.activity {
            Activity::Streaming => self.site,
            _ => None,
        }
    }

    /// The statement begins now.
    pub(crate) fn begin(
        &mut self,
        sql: &str,
        system: &'static str,
        handle: Option<Arc<Handle>>,
    ) -> Running {
        // A pool of `Any` knows where it leads; the type does not.
        let system = handle
            .as_ref()
            .map_or(system, |handle| handle.pool.endpoint.system);
        if config::is_off() {
            return Running::new(handle, system, None, Instant::now());
        }
        let tally = self.tally.take().unwrap_or_else(|| self.look_up(sql));
        // However many layers see a statement, the outermost counts it.
        let counts = !context::is_counted();
        if counts && let Some(scope) = context::scope() {
            let broken = scope.count_statement(tally);
            if !broken.is_empty() {
                // May panic: there is no statement yet that could be cancelled.
                lint::query_budget(&broken, tally, self.site_now());
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
    system: &'static str,
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
        system: &'static str,
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
        report::query(&report::Query {
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
            && self.system == "mysql"
            && let Some(handle) = &self.handle
        {
            handle.poison();
        }
        self.finish(Outcome::Cancelled, None);
    }
}
