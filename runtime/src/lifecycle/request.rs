//! Requests: each is a root scope, from the call of its service to the end of the response's body.
//!
//! Two things end apart. The summary belongs to the end of the body, so that what the body sends counts. The scope ends when the
//! body is dropped: until then, the body may have a handle.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tracing::Span;

use super::startup;
use crate::handle::{in_task, lent, owner};
use crate::lint::{self, Ending, Reaction};
use crate::log;
use crate::scope::Scope;
use crate::scope::context::{self, FrameKind};
use crate::scope::ledger::Closed;
use crate::scope::spent::{Spent, Sums};
pub(crate) use crate::site::routes::Ended;
use crate::site::routes::{self, Request, Route};

/// A request that has begun. Dropping it ends it: as cancelled, or as panicked, if it was not [ended](Self::end) before.
#[derive(Debug)]
pub(crate) struct InRequest {
    route: &'static Route,
    /// Where its layer was made.
    made: &'static Location<'static>,
    /// Made at the first statement or handle.
    scope: Option<Arc<Scope>>,
    /// The span in which the service was called: the event is emitted in it.
    span: Span,
    began: Instant,
    /// The largest number of statements, and the longest time with the database and waiting for it.
    budget: Option<(u64, Duration)>,
    status: Option<u16>,
    /// Whether the response reports an error of its own.
    is_error: bool,
    /// Whether its code runs now. If it is still so at the end, that code has panicked.
    runs: bool,
    has_ended: bool,
}

impl InRequest {
    /// Begins a request; `None` if everything is switched off.
    pub(crate) fn begin(
        method: &str,
        route: Option<&str>,
        made: &'static Location<'static>,
        budget: Option<(u64, Duration)>,
    ) -> Option<Self> {
        if startup::is_off() {
            return None;
        }
        let route = routes::find(method, route, made);
        route.begins();
        Some(Self {
            route,
            made,
            scope: None,
            span: Span::current(),
            began: Instant::now(),
            budget,
            status: None,
            is_error: false,
            runs: false,
            has_ended: false,
        })
    }

    /// Runs a part of the request in its scope.
    pub(crate) fn run<T>(&mut self, part: impl FnOnce() -> T) -> T {
        let (function, kind) = (self.route.function(), FrameKind::Scope);
        // Still set where an earlier part has panicked.
        let before = std::mem::replace(&mut self.runs, true);
        let entered = context::enter(function, kind, &mut self.scope, self.made);
        let value = part();
        drop(entered);
        self.runs = before;
        value
    }

    /// Records the head of the response. `is_error` is whether it reports an error, by its status or otherwise.
    pub(crate) fn responds(&mut self, status: u16, is_error: bool, task: &Waker) {
        self.status = Some(status);
        self.is_error = is_error;
        self.route.responds(status);
        if let Some(scope) = &self.scope {
            in_task::settle_uses(scope, task);
        }
    }

    /// The connection was handed over to another protocol: what the request has taken passes out of all scopes, to the task
    /// that speaks that protocol.
    pub(crate) fn is_upgraded(&mut self, task: &Waker) {
        self.end(Ended::Answered);
        if let Some(scope) = self.scope.take() {
            lent::give_back(&scope, true);
            owner::end_handing_up(&scope, task, "an upgraded connection");
            scope.pass_on_failures();
        }
    }

    /// What was sent so far, for the header `Server-Timing`: the number of statements, their time, and the waits.
    pub(crate) fn timing(&self) -> (u64, Duration, Duration) {
        let sums = self.sums();
        (sums.statements, sums.database, sums.waited)
    }

    /// Counts, judges and logs the request. The first call counts.
    pub(crate) fn end(&mut self, ended: Ended) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let closed = self.scope.as_ref().and_then(|it| it.ledger().close());
        let lines = closed.iter().flat_map(|closed| &closed.lines);
        let repeated: Vec<_> = lines.map(|line| (line.tally, line.calls)).collect();
        let sums = self.sums();
        let request = Request {
            ended,
            is_over_budget: self.is_over(&sums),
            statements: sums.statements,
            time: self.began.elapsed(),
            database: sums.database,
            wait: sums.waited,
            longest: sums.longest,
            repeated: &repeated,
        };
        self.route.ended(&request);
        if let Some(scope) = self.scope.as_ref().filter(|_| ended == Ended::Answered) {
            self.judge(scope, closed.as_ref());
        }
        log::request::request(self.route, self.status, &request, &self.span);
    }

    /// Judges what a request has repeated and rolled back that was answered. Nothing panics: the response would be lost.
    fn judge(&self, scope: &Arc<Scope>, closed: Option<&Closed>) {
        if !self.is_error {
            for lost in scope.take_lost() {
                let _: Reaction = lint::implicit_rollback(scope, &lost, false);
            }
        }
        if let Some(closed) = closed {
            _ = lint::repeated_in(scope, closed, &self.span, false);
        }
    }

    fn is_over(&self, sums: &Sums) -> bool {
        self.budget.is_some_and(|(statements, time)| {
            sums.statements > statements || sums.database + sums.waited > time
        })
    }

    fn sums(&self) -> Sums {
        let spent = self.scope.as_ref().and_then(|scope| scope.spent());
        spent.map(Spent::sums).unwrap_or_default()
    }
}

impl Drop for InRequest {
    fn drop(&mut self) {
        self.end(if self.runs {
            Ended::Failed("panic")
        } else {
            Ended::Cancelled
        });
        if let Some(scope) = self.scope.take() {
            end_scope(&scope);
        }
    }
}

/// Ends the scope of a request whose response is gone. Nothing panics: this is a destructor's part.
fn end_scope(scope: &Arc<Scope>) {
    for postponed in scope.take_postponed() {
        let _: Reaction = lint::report_postponed(scope, postponed, false);
    }
    lent::give_back(scope, false);
    for handle in owner::end_holding_nothing(scope) {
        let _: Reaction = lint::outlived_scope(scope, &handle, Ending::Request);
    }
    scope.pass_on_failures();
}
