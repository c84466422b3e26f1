//! What a span says of its end.

use std::time::Duration;

use sqlx::error::DatabaseError;
use tracing::Span;

use super::failure::description;
use super::open::OpenSpan;
use crate::log::error_type;
use crate::measure::units::millis;
use crate::site::tally::Outcome;

/// How a statement has ended.
pub(crate) struct Ended<'a> {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<&'a sqlx::Error>,
    pub(crate) rows: Option<u64>,
    pub(crate) affected: Option<u64>,
}

impl OpenSpan {
    /// Ends the span of a statement or of an operation.
    pub(crate) fn end(&self, ended: &Ended<'_>) {
        self.close(|span| {
            if let Some(rows) = ended.rows {
                span.record("db.response.returned_rows", rows);
            }
            if let Some(rows) = ended.affected {
                span.record("sqlx_leash.rows_affected", rows);
            }
            match (ended.outcome, ended.error) {
                (Outcome::Cancelled, _) => record_cancelled(span),
                (_, Some(error)) => record_error(span, error),
                (_, None) => {}
            }
        });
    }
}

impl<'a> Ended<'a> {
    /// An operation that is no statement has ended, with sqlx's error if it failed.
    pub(crate) fn operation(error: Option<&'a sqlx::Error>) -> Self {
        let outcome = match error {
            Some(_) => Outcome::Error,
            None => Outcome::Ok,
        };
        Self {
            outcome,
            error,
            rows: None,
            affected: None,
        }
    }
}

impl OpenSpan {
    /// Ends the span of a transaction or savepoint: by what, and with sqlx's error if that failed.
    pub(crate) fn end_transaction(&self, by: &str, error: Option<&sqlx::Error>) {
        self.close(|span| {
            span.record("sqlx_leash.ended_by", by);
            if let Some(error) = error {
                record_error(span, error);
            }
        });
    }

    /// Ends the span of an acquire that has waited this long, with sqlx's error if it failed.
    pub(crate) fn end_wait(&self, waited: Duration, error: Option<&sqlx::Error>) {
        self.close(|span| {
            span.record("sqlx_leash.waited_ms", millis(waited));
            if let Some(error) = error {
                record_error(span, error);
            }
        });
    }

    /// Ends the span of what was given up. Does nothing if it has ended.
    pub(crate) fn end_given_up(&self) {
        self.close(record_cancelled);
    }
}

/// A statement that was given up is no failure, so the status stays unset.
fn record_cancelled(span: &Span) {
    span.record("error.type", "cancelled");
}

fn record_error(span: &Span, error: &sqlx::Error) {
    let kind = error_type(error);
    let code = error.as_database_error().and_then(DatabaseError::code);
    if let Some(code) = &code {
        span.record("db.response.status_code", &**code);
    }
    span.record("error.type", &*kind);
    // In this order: OpenTelemetry's bridge takes a description for a failure, and a code for one without description.
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", &*description(error, &kind));
}
