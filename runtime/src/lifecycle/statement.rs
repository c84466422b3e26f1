//! The steps of a statement. Its beginning and its end, or its cancellation, are recorded, then judged, then reported.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::error::ErrorKind;

use super::{refused, session, startup, transaction};
use crate::config::Spans;
use crate::handle::Handle;
use crate::handle::begun::Ran;
use crate::handle::unread::Unread;
use crate::lint;
use crate::log;
use crate::log::spans::{self, OpenSpan};
use crate::observe::{self, StatementEnd};
use crate::pool_state::PoolState;
use crate::pool_state::connections::Shown;
use crate::pool_state::endpoint::System;
use crate::scope::ledger::{Around, Call, Database, Identity};
use crate::scope::{Scope, context, counted};
#[cfg(feature = "cache")]
use crate::site::latest;
use crate::site::tally::{self, Outcome, Tally};
use crate::site::{self, Site};
use crate::snapshot::Activity;
use crate::sql::Item;

/// A query that was taken apart and is not sent yet.
pub(crate) trait Query {
    fn text(&self) -> &str;

    /// Looks at the arguments, which costs more than all else that is done before a statement.
    fn arguments(&mut self) -> Identity;
}

/// A statement whose result is awaited as a whole. It has not begun: a future that is never polled is no call.
#[derive(Debug)]
pub(crate) struct Prepared {
    site: Option<&'static Site>,
}

/// A statement whose rows the consumer reads one by one. It has not begun.
#[derive(Debug)]
pub(crate) struct PreparedRows {
    site: Option<&'static Site>,
}

/// A statement that knows its counters. It has not begun.
#[derive(Debug)]
pub(crate) struct Ready {
    tally: &'static Tally,
    /// The text, where a test records it or a span has it, and the tally stands for several.
    text: Option<Box<str>>,
    /// The call site, where it is known already.
    site: Option<&'static Site>,
    activity: Activity,
    wants_span: bool,
    arguments: Identity,
}

impl Prepared {
    pub(crate) fn new() -> Self {
        counted::answer_that_it_counts();
        Self {
            site: context::site(),
        }
    }

    /// Begins the statement. It belongs to the call site that awaits it, else to the one that made the future.
    ///
    /// # Panics
    ///
    /// As [`Ready::begin`].
    pub(crate) fn begin(
        self,
        query: &mut dyn Query,
        system: System,
        handle: Option<Arc<Handle>>,
    ) -> Running {
        if startup::is_off() {
            return Running::uncounted(handle, system);
        }
        let site = context::site().or(self.site);
        let layer = Layer::of_this();
        let ready = Ready::new(site, query, Activity::Busy, layer.scope());
        ready.begin_in(layer, system, handle)
    }
}

impl PreparedRows {
    pub(crate) fn new() -> Self {
        counted::answer_that_it_counts();
        Self {
            site: context::site(),
        }
    }

    /// The call site that made the stream.
    pub(crate) fn site(&self) -> Option<&'static Site> {
        self.site
    }

    /// Looks the counters up, before the text is handed to the driver.
    ///
    /// The statement belongs to the call site that made the stream, else to the current one.
    pub(crate) fn look_up(self, query: &mut dyn Query) -> Ready {
        let site = self.site.or_else(context::site);
        // A scope that is not made yet has sent nothing.
        let scope = context::made_scope();
        Ready::new(site, query, Activity::Streaming, scope.as_deref())
    }
}

/// One of the layers that may see a statement.
enum Layer {
    /// A wrapper around this one counts it.
    Covered,
    /// This one counts it, in the innermost scope, if there is one.
    Counts(Option<Arc<Scope>>),
}

impl Layer {
    /// The layer that asks. Only the outermost counts.
    #[inline]
    fn of_this() -> Self {
        if counted::is_counted() {
            Layer::Covered
        } else {
            Layer::Counts(context::scope())
        }
    }

    fn counts(&self) -> bool {
        matches!(self, Layer::Counts(_))
    }

    fn scope(&self) -> Option<&Scope> {
        match self {
            Layer::Counts(scope) => scope.as_deref(),
            Layer::Covered => None,
        }
    }
}

/// What is known of the arguments of a query. They are looked at from the second call of its site in a root scope on; in a
/// debug build, where that is worth its time, from the first.
#[inline]
fn arguments(scope: Option<&Scope>, tally: &'static Tally, query: &mut dyn Query) -> Identity {
    match scope {
        Some(scope) if scope.root().ledger().begins_again(tally) || cfg!(debug_assertions) => {
            // Calls of one site may differ in their texts.
            query.arguments().with(tally.identity_of(query.text()))
        }
        _ => Identity::Unseen,
    }
}

/// The same, for an executor that takes the query away before it shows whether it counts the statement itself.
pub(crate) fn arguments_of(query: &mut dyn Query) -> Identity {
    if counted::is_counted() {
        return Identity::Unseen;
    }
    let tally = look_up(context::site(), query.text());
    arguments(context::made_scope().as_deref(), tally, query)
}

/// The counters of a text: those at the call site, else those in the function, else those of the text alone.
#[inline]
fn look_up(site: Option<&'static Site>, sql: &str) -> &'static Tally {
    if let Some(site) = site {
        return site.tally(sql);
    }
    match context::function() {
        Some(function) => function.tally(sql),
        None => tally::without_site(sql),
    }
}

impl Ready {
    #[inline]
    fn new(
        site: Option<&'static Site>,
        query: &mut dyn Query,
        activity: Activity,
        scope: Option<&Scope>,
    ) -> Self {
        let text = query.text();
        let tally = look_up(site, text);
        let wants_span = spans::are_made_of(Spans::Statements);
        let is_recorded =
            tally.is_shared() && (wants_span || scope.is_some_and(Scope::is_recorded));
        Self {
            tally,
            text: is_recorded.then(|| text.into()),
            site,
            activity,
            wants_span,
            arguments: arguments(scope, tally, query),
        }
    }

    /// Whether spans are made of statements.
    #[inline]
    pub(crate) fn wants_span(&self) -> bool {
        self.wants_span
    }

    /// Begins the statement.
    ///
    /// # Panics
    ///
    /// At its call site, in a debug build, if it is the first one over a budget and `query_budget` is at deny, or if the
    /// server has failed its transaction and `failed_transaction` is at deny.
    pub(crate) fn begin(self, system: System, handle: Option<Arc<Handle>>) -> Running {
        if startup::is_off() {
            return Running::uncounted(handle, system);
        }
        self.begin_in(Layer::of_this(), system, handle)
    }

    #[inline]
    fn begin_in(self, layer: Layer, system: System, handle: Option<Arc<Handle>>) -> Running {
        let tally = self.tally;
        if let Some(scope) = layer.scope() {
            let broken = scope.count_statement(tally, self.text.as_deref());
            if !broken.is_empty() {
                let site = self.site.or_else(context::site);
                // The statement has not begun, so the panic cancels nothing.
                if let Some((function, message)) = lint::query_budget(&broken, tally, site) {
                    site::panic_at(site, Some(function), &message);
                }
            }
        }
        if let Some(handle) = &handle {
            transaction::judge_statement(handle, tally);
        }
        let span = (self.wants_span && layer.counts())
            .then(|| open_span(tally, self.text.as_deref(), system, handle.as_ref()))
            .flatten();
        let counted = layer.counts().then(|| (tally, tally.begin()));
        #[cfg(feature = "cache")]
        if layer.counts() {
            latest::note(tally);
        }
        let began = handle.as_ref().map_or_else(Instant::now, |handle| {
            handle.begin_statement(tally, self.activity)
        });
        let noted = match layer {
            Layer::Counts(Some(scope)) => Some(Noted {
                scope,
                site: self.site,
                arguments: self.arguments,
            }),
            Layer::Counts(None) | Layer::Covered => None,
        };
        let mut running = Running::new(handle, system, counted, noted, began);
        running.span = span;
        running
    }
}

/// Opens the span of a statement, if a subscriber wants it.
#[cold]
fn open_span(
    tally: &'static Tally,
    text: Option<&str>,
    system: System,
    handle: Option<&Arc<Handle>>,
) -> Option<Arc<OpenSpan>> {
    let pool = handle.map(|handle| &*handle.pool);
    // Where a query to the pool takes its permit, it is sent.
    let sent_at = handle
        .filter(|handle| handle.purpose.is_query())
        .map(|handle| handle.place);
    let opening = spans::Opening {
        // The type `Any` does not show the database system. The handle's pool knows it.
        system: pool.map_or(system, |pool| pool.endpoint.system),
        pool: pool.filter(|pool| !pool.is_none()),
        place: tally.place().or(sent_at),
    };
    let span = spans::statement(tally, text, &opening)?;
    if let Some(handle) = handle {
        handle.begin_span(&span);
    }
    Some(span)
}

/// What is noted of a statement in the ledger of its root scope when it has ended.
#[derive(Debug)]
struct Noted {
    scope: Arc<Scope>,
    site: Option<&'static Site>,
    arguments: Identity,
}

/// A statement that has begun. If it is dropped before [`end`](Running::end), it is recorded as cancelled.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its tally, and the number of calls there including this one. `None` if the statement is not counted here.
    counted: Option<(&'static Tally, u64)>,
    noted: Option<Noted>,
    handle: Option<Arc<Handle>>,
    /// Its span, where spans are made of statements and a subscriber wants it.
    span: Option<Arc<OpenSpan>>,
    system: System,
    /// When it was sent. Of a query to the pool, when its permit was granted.
    sent: Instant,
    /// When the current stretch began. A stretch is the database's or, in a stream, the consumer's.
    began: Instant,
    /// The sum of the database's earlier stretches.
    waited: Duration,
    /// The sum of the consumer's earlier stretches.
    paused_for: Duration,
    /// Whether the consumer has a row and has not asked for the next. That time is not the statement's.
    paused: bool,
    rows: u64,
    affected: u64,
    /// The number of statements in the text that have completed; `None` if the executor does not show that.
    completed: Option<usize>,
    answer: Answer,
    ended: bool,
}

/// How far the answer to a statement was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The database has not begun to answer.
    Awaited,
    Begun,
    /// The first row was read, and the driver leaves the others unread when the statement ends.
    LeftUnread,
}

impl Running {
    fn new(
        handle: Option<Arc<Handle>>,
        system: System,
        counted: Option<(&'static Tally, u64)>,
        noted: Option<Noted>,
        sent: Instant,
    ) -> Self {
        // The type `Any` does not show the database system. The handle's pool knows it.
        let system = handle
            .as_ref()
            .map_or(system, |handle| handle.pool.endpoint.system);
        Self {
            counted,
            noted,
            handle,
            span: None,
            system,
            sent,
            began: sent,
            waited: Duration::ZERO,
            paused_for: Duration::ZERO,
            paused: false,
            rows: 0,
            affected: 0,
            completed: Some(0),
            answer: Answer::Awaited,
            ended: false,
        }
    }

    /// A statement that is not counted, because everything is switched off.
    fn uncounted(handle: Option<Arc<Handle>>, system: System) -> Self {
        Self::new(handle, system, None, None, Instant::now())
    }

    /// The span of the statement: what the driver logs is in it.
    #[inline]
    pub(crate) fn span(&self) -> Option<&Arc<OpenSpan>> {
        self.span.as_ref()
    }

    #[inline]
    pub(crate) fn has_span(&self) -> bool {
        self.span.is_some()
    }

    #[inline]
    pub(crate) fn row(&mut self) {
        self.answer = Answer::Begun;
        self.rows += 1;
    }

    /// Counts the row of a statement of which only the first row is asked for.
    pub(crate) fn first_row(&mut self) {
        self.row();
        if self.system.leaves_further_rows() {
            self.answer = Answer::LeftUnread;
        }
    }

    /// The executor shows the output of the whole text alone.
    pub(crate) fn shows_no_steps(&mut self) {
        self.completed = None;
    }

    pub(crate) fn rows(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    /// Counts the rows that one statement of the text has affected. It has completed.
    pub(crate) fn affected(&mut self, rows: u64) {
        self.answer = Answer::Begun;
        if let Some(completed) = &mut self.completed {
            *completed += 1;
        }
        // SQLite and PostgreSQL report a number for reads as well.
        if self
            .counted
            .as_ref()
            .is_some_and(|(tally, _)| tally.writes())
        {
            self.affected += rows;
        }
    }

    /// Counts a row that a stream yields.
    #[inline]
    pub(crate) fn yielded_row(&mut self) {
        self.row();
        if let Some(handle) = &self.handle {
            handle.read_rows(self.rows);
        }
    }

    /// The stream yields. Time is the consumer's until the stream waits for the database again.
    ///
    /// The clock is read only where waiting and yielding alternate, so rows that are ready already cost no clock read.
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

    /// The stream has nothing ready. Time is the database's until the stream yields.
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

    /// Ends the statement, with sqlx's error if it failed.
    ///
    /// # Panics
    ///
    /// At its call site, if it was sent to the pool itself, has left a transaction open there or something set, and
    /// `session_state` is at deny; or if SQLite has refused it, and `database_locked` is.
    pub(crate) fn end(&mut self, error: Option<&sqlx::Error>) {
        self.finish(
            if error.is_none() {
                Outcome::Ok
            } else {
                Outcome::Error
            },
            error,
        );
        if error.is_none()
            && let Some(handle) = &self.handle
        {
            session::judge_query(handle);
        }
    }

    /// What is left to read of the answer when the statement ends like that.
    fn unread(&self, outcome: Outcome) -> Option<Unread> {
        let (tally, _) = self.counted?;
        let is_left = outcome == Outcome::Cancelled || self.answer == Answer::LeftUnread;
        is_left.then_some(Unread {
            tally,
            rows: self.rows,
            answered: self.answer != Answer::Awaited,
        })
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
            // A stream that is dropped after it has answered did not fail: its consumer needed no more rows.
            Outcome::Cancelled => self.answer == Answer::Awaited,
            Outcome::Error => true,
        };
        let unread = self.unread(outcome);
        let tally = self.counted.map(|(tally, _)| tally);
        let reported_slow = self
            .handle
            .as_ref()
            .is_some_and(|handle| handle.end_statement(tally, now, time, failed, unread));
        let Some((tally, calls)) = &self.counted else {
            return;
        };
        if let Some(handle) = &self.handle {
            self.note(handle, tally, outcome, error, time);
            if !handle.pool.is_none() {
                tally.sent_to(handle.pool.id());
            }
        }
        match &self.handle {
            Some(handle) => handle.pool.note_end(tally, outcome, time, self.rows),
            None => self.note_end_without_pool(tally, outcome, time),
        }
        tally.finish(outcome, time, self.rows, self.affected);
        if let Some(span) = &self.span {
            span.end(&spans::Ended {
                outcome,
                error,
                rows: (self.rows > 0 || !tally.writes()).then_some(self.rows),
                affected: tally.writes().then_some(self.affected),
            });
        }
        #[cfg(feature = "tower")]
        if let Some(spent) = self.noted.as_ref().and_then(|noted| noted.scope.spent()) {
            spent.statement_ended(tally, time);
        }
        if outcome == Outcome::Ok
            && let Some(noted) = &self.noted
        {
            self.record(noted, tally, now, time);
        }
        if !reported_slow {
            lint::slow_query_ended(tally, self.handle.as_ref(), time, outcome);
        }
        if log::takes_queries() || observe::are_any() {
            self.tell(tally, *calls, outcome, error, (now, time));
        }
        if let Some(error) = error {
            refused::judge(
                self.handle.as_ref(),
                lint::Refused::Statement(tally),
                Some(time),
                error,
            );
        }
    }

    /// Tells the subscriber and the observers.
    #[cold]
    fn tell(
        &self,
        tally: &'static Tally,
        calls: u64,
        outcome: Outcome,
        error: Option<&sqlx::Error>,
        (ended, time): (Instant, Duration),
    ) {
        let pool = self.handle.as_ref().map(|handle| &handle.pool);
        let query = log::Query {
            tally,
            system: self.system,
            pool: pool.filter(|pool| !pool.is_none()),
            outcome,
            error,
            time,
            rows: self.rows,
            affected: self.affected,
            calls,
        };
        log::query(&query);
        observe::statement(&StatementEnd {
            query: &query,
            began: self.sent,
            ended,
        });
    }

    /// Records a statement that has ended well in the ledger of its root scope.
    fn record(&self, noted: &Noted, tally: &'static Tally, ended: Instant, time: Duration) {
        let handle = self.handle.as_deref();
        // A query to the pool begins where it asks for its permit.
        let asked = handle
            .filter(|handle| handle.purpose.is_query())
            .map(Handle::asked);
        let call = Call {
            tally,
            began: asked.unwrap_or(self.sent),
            ended,
            time,
            rows: self.rows,
            affected: self.affected,
            arguments: noted.arguments,
            waited: asked.map(|asked| self.sent.saturating_duration_since(asked)),
            pool: (handle.filter(|handle| !handle.pool.is_none()))
                .map_or(0, |handle| handle.pool.id()),
        };
        let around = Around {
            scope: &*noted.scope,
            site: noted.site,
            database: &|| Database {
                pool: handle.and_then(Handle::pool_name),
                system: self.system.name(),
            },
        };
        noted.scope.root().ledger().record(&call, &around);
    }

    #[cold]
    fn note_end_without_pool(&self, tally: &'static Tally, outcome: Outcome, time: Duration) {
        PoolState::none(self.system).note_end(tally, outcome, time, self.rows);
    }

    /// Records what the statement did in its handle's transaction.
    fn note(
        &self,
        handle: &Handle,
        tally: &'static Tally,
        outcome: Outcome,
        error: Option<&sqlx::Error>,
        time: Duration,
    ) {
        if let Some(error) = error {
            transaction::statement_failed(handle, tally, error, self.completed);
            if session::breaks_connection(error) {
                handle.note_broken();
            }
        } else if !tally.effects().is_empty() {
            let has_run = outcome == Outcome::Ok || self.rows > 0;
            if has_run {
                let sets = |item: &Item| item.is_set_by(time, self.rows);
                handle.note_effects(tally, tally.effects(), sets);
            } else {
                handle.note_unknown_effects(tally.effects());
            }
        }
        if tally.writes() && !(outcome == Outcome::Ok && tally.ends_transaction()) {
            // The rows that were read from a dropped stream, as of `RETURNING`, were written. An error undoes the whole
            // statement.
            let wrote = match outcome {
                Outcome::Ok => self.affected > 0 || self.rows > 0 || tally.changes_schema(),
                Outcome::Cancelled => self.affected > 0 || self.rows > 0,
                Outcome::Error => false,
            };
            let ran = match outcome {
                Outcome::Ok => Ran::ToItsEnd,
                Outcome::Cancelled => Ran::Perhaps,
                Outcome::Error if violates(error) => Ran::Perhaps,
                Outcome::Error => Ran::Not,
            };
            handle.note_write(tally, ran, wrote);
        }
    }
}

/// Whether the statement has violated a constraint, and so has come far enough to write.
fn violates(error: Option<&sqlx::Error>) -> bool {
    let error = error.and_then(sqlx::Error::as_database_error);
    error.is_some_and(|error| !matches!(error.kind(), ErrorKind::Other))
}

impl Drop for Running {
    fn drop(&mut self) {
        // If a PREPARE is cancelled before its answer arrives, sqlx's MySQL driver reads that answer as the next
        // statement's. Once a row has arrived, it knows how much to skip.
        if !self.ended
            && self.answer == Answer::Awaited
            && self.system.forgets_abandoned_answers()
            && let Some(handle) = &self.handle
        {
            handle.poison(Shown::Cancelled);
        }
        self.finish(Outcome::Cancelled, None);
    }
}
