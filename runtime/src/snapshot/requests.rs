//! Requests by route.

use std::time::Duration;

use super::Timing;
use crate::finding::CallSite;

/// The requests of one method and route, as `leash::tower::RequestLayer` sees them.
///
/// A request ends with the body of its response. Sums and distributions are of those that have ended, however they did.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RequestStats {
    /// `GET`; `_OTHER` for a method that HTTP does not define.
    pub method: String,
    /// The matched route, `/exams/{id}`; `<unmatched>` without one, and `<other>` for routes beyond the first 4,096.
    pub route: String,
    /// Requests begun.
    pub requests: u64,
    /// Requests that were answered, to the end of the body. The status may be that of an error.
    pub answered: u64,
    /// Requests without a whole answer: the service or the body failed, or the handler panicked.
    pub failed: u64,
    /// Requests that were dropped before their end: mostly, the client has gone.
    pub cancelled: u64,
    /// The responses by their status. A response counts when its head is there.
    pub statuses: StatusStats,
    /// Requests over the budget of their layer.
    pub over_budget: u64,
    /// The statements of these requests.
    pub statements: u64,
    /// The most statements of one request.
    pub most_statements: u64,
    /// How long the requests took, to the end of the body.
    pub time: Timing,
    /// How long their statements took, in sum for each request. Statements that run at once count one by one, so the sum
    /// may exceed the request's own time.
    pub database: Timing,
    /// How long they waited for permits, in sum for each request. Waits at once count one by one.
    pub wait: Timing,
    /// The longest statement of one of them.
    pub longest: Option<LongestStatement>,
    /// The call sites that ran more than once in one request, most often first; at most eight.
    pub repeated: Vec<RepeatedSite>,
}

impl RequestStats {
    /// The number of requests that have not ended.
    pub fn in_flight(&self) -> u64 {
        // Saturating: in an interval, more requests may end than begin.
        self.requests
            .saturating_sub(self.answered + self.failed + self.cancelled)
    }

    /// `GET /exams/{id}`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.route)
    }

    /// The statements of a request on average; 0 if none has ended.
    pub fn mean_statements(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        let [statements, ended] = [
            self.statements,
            self.answered + self.failed + self.cancelled,
        ]
        .map(|it| it as f64);
        if ended == 0.0 {
            0.0
        } else {
            statements / ended
        }
    }

    pub(super) fn subtract(&mut self, before: &Self) {
        for (now, then) in [
            (&mut self.requests, before.requests),
            (&mut self.answered, before.answered),
            (&mut self.failed, before.failed),
            (&mut self.cancelled, before.cancelled),
            (&mut self.over_budget, before.over_budget),
            (&mut self.statements, before.statements),
            (
                &mut self.statuses.informational,
                before.statuses.informational,
            ),
            (&mut self.statuses.successful, before.statuses.successful),
            (&mut self.statuses.redirection, before.statuses.redirection),
            (
                &mut self.statuses.client_error,
                before.statuses.client_error,
            ),
            (
                &mut self.statuses.server_error,
                before.statuses.server_error,
            ),
        ] {
            *now = now.saturating_sub(then);
        }
        self.time = self.time.since(&before.time);
        self.database = self.database.since(&before.database);
        self.wait = self.wait.since(&before.wait);
        self.repeated.retain_mut(|row| {
            let mut earlier = before.repeated.iter();
            if let Some(earlier) = earlier.find(|it| it.is_same_row(row)) {
                row.requests = row.requests.saturating_sub(earlier.requests);
            }
            row.requests > 0
        });
    }

    /// Whether nothing happened, and nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.requests + self.answered + self.failed + self.cancelled == 0
    }
}

/// Responses by the class of their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StatusStats {
    /// 100 to 199: mostly, the connection was upgraded.
    pub informational: u64,
    /// 200 to 299.
    pub successful: u64,
    /// 300 to 399.
    pub redirection: u64,
    /// 400 to 499.
    pub client_error: u64,
    /// 500 and above.
    pub server_error: u64,
}

/// The longest statement of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LongestStatement {
    /// Operation and targets: `SELECT exam`.
    pub summary: String,
    /// Its call site, if that is known.
    pub site: Option<CallSite>,
    /// How long it took.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "time_ms", serialize_with = "crate::millis::serialize")
    )]
    pub time: Duration,
}

/// A call site that ran more than once in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RepeatedSite {
    /// Operation and targets: `SELECT exam`.
    pub summary: String,
    /// The call site, if that is known.
    pub site: Option<CallSite>,
    /// The number of requests that have repeated it.
    pub requests: u64,
    /// How often it ran in one of them, at most.
    pub most: u64,
}

impl RepeatedSite {
    fn is_same_row(&self, other: &Self) -> bool {
        self.summary == other.summary && self.site == other.site
    }
}
