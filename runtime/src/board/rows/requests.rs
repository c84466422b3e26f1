//! Requests by route.

use serde::Serialize;

use super::parts::{Rows, Times};
use super::words::{cut, place};
use crate::measure::units::millis;
use crate::snapshot::{RepeatedSite, RequestStats};

/// The bytes of a summary that are shown.
const SUMMARY: usize = 200;

/// The requests of a method and route.
#[derive(Debug, Serialize)]
pub(super) struct Request {
    name: String,
    requests: u64,
    in_flight: u64,
    /// Responses with a status of 500 and above.
    errors: u64,
    failed: u64,
    cancelled: u64,
    over_budget: u64,
    /// The statements of a request, on average.
    statements: f64,
    most_statements: u64,
    time: Times,
    database: Times,
    wait: Times,
    longest: Option<Longest>,
    repeated: Vec<Repeated>,
}

/// The longest statement of a request.
#[derive(Debug, Serialize)]
struct Longest {
    summary: String,
    at: String,
    time_ms: f64,
}

/// A call site that ran more than once in a request.
#[derive(Debug, Serialize)]
struct Repeated {
    summary: String,
    at: String,
    requests: u64,
    most: u64,
}

/// The routes, longest time with the database first.
pub(super) fn requests(all: &[RequestStats]) -> Rows<Request> {
    Rows::first(all, Request::of)
}

impl Request {
    fn of(row: &RequestStats) -> Self {
        let longest = row.longest.as_ref().map(|longest| Longest {
            summary: cut(&longest.summary, SUMMARY),
            at: longest.site.as_ref().map(place).unwrap_or_default(),
            time_ms: millis(longest.time),
        });
        Self {
            name: row.name(),
            requests: row.requests,
            in_flight: row.in_flight(),
            errors: row.statuses.server_error,
            failed: row.failed,
            cancelled: row.cancelled,
            over_budget: row.over_budget,
            statements: row.mean_statements(),
            most_statements: row.most_statements,
            time: Times::of(&row.time),
            database: Times::of(&row.database),
            wait: Times::of(&row.wait),
            longest,
            repeated: row.repeated.iter().map(Repeated::of).collect(),
        }
    }
}

impl Repeated {
    fn of(row: &RepeatedSite) -> Self {
        Self {
            summary: cut(&row.summary, SUMMARY),
            at: row.site.as_ref().map(place).unwrap_or_default(),
            requests: row.requests,
            most: row.most,
        }
    }
}
