//! Spans: of statements, and, where they are asked for, of operations on connections, transactions and waits.
//!
//! A span is the child of the span in which the program is. Its metadata has no file and no line: what shows spans takes
//! `code.*` from there first, and that would be a line of ours. The metadata is the same for all spans of a kind, because
//! filters and subscribers keep an answer for each; the name is a field, `otel.name`.

use std::sync::Arc;

use tracing::callsite::{DefaultCallsite, Identifier};
use tracing::dispatcher::{self, Dispatch};
use tracing::field::{Empty, FieldSet, Value};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::{Level, Metadata, Span, metadata};

use crate::config::{self, Spans};
use crate::pool_state::PoolState;
use crate::pool_state::endpoint::System;
use crate::scope::foreign;
use crate::site::tally::{self, Tally};
use crate::source::function::Function;
use crate::source::place::Place;
use crate::sql::{sole, summarise};

mod ended;
mod failure;
mod holders;
mod open;

pub(crate) use ended::Ended;
pub(crate) use open::{Entered, OpenSpan};

const SPAN: &str = "sqlx_leash::span";

/// Opens a span if a subscriber wants it: with the fields that all spans have, and those that are named.
///
/// The subscriber is asked right before, whatever it has answered earlier: where one of its layers has a filter, the
/// answer to an earlier question about something else (sqlx asks `log::log_enabled!` after each statement) would count.
macro_rules! open {
    ($kind:literal, $name:expr, $otel_kind:literal, $opening:expr, { $($field:literal = $value:expr,)* }) => {{
        let common = Common::of($opening);
        open!(@fields $kind, {
            "otel.name" = $name,
            "otel.kind" = $otel_kind,
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "error.type" = Empty,
            "db.system.name" = $opening.system.name(),
            "db.namespace" = common.namespace,
            "db.client.connection.pool.name" = common.pool.as_deref(),
            "server.address" = common.address,
            "server.port" = common.port,
            "code.file.path" = common.file,
            "code.line.number" = common.line,
            "code.function.name" = common.function,
            $($field = $value,)*
        })
    }};
    (@fields $kind:literal, { $($field:literal = $value:expr,)* }) => {{
        static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);
        static METADATA: Metadata<'static> = Metadata::new(
            $kind,
            SPAN,
            Level::INFO,
            None,
            None,
            None,
            FieldSet::new(&[$($field),*], Identifier(&CALLSITE)),
            metadata::Kind::SPAN,
        );
        let open = || {
            if CALLSITE.interest().is_never() {
                return None;
            }
            dispatcher::get_default(|dispatch| {
                dispatch.enabled(&METADATA).then(|| {
                    let mut fields = METADATA.fields().iter();
                    let mut next = || fields.next().expect("BUG: a field for each value");
                    let values = [$((&next(), Some(&$value as &dyn Value))),*];
                    Span::new_with(&METADATA, &METADATA.fields().value_set(&values), dispatch)
                })
            })
        };
        foreign::subscriber(open).flatten()
    }};
}

/// Whether spans are made of `what`, as far as is known without asking the subscriber.
#[inline]
pub(crate) fn are_made_of(what: Spans) -> bool {
    config::has_spans_of(what)
        && Level::INFO <= STATIC_MAX_LEVEL
        && Level::INFO <= LevelFilter::current()
}

/// Calls an executor: where `is_spanned`, outside of the span in which the program is.
///
/// A stream of sqlx enters, at each poll, the span in which it was made. What it logs would be in that one.
#[inline]
pub(crate) fn outside<T>(is_spanned: bool, call: impl FnOnce() -> T) -> T {
    if is_spanned {
        dispatcher::with_default(&Dispatch::none(), call)
    } else {
        call()
    }
}

/// What the program is about to do.
pub(crate) struct Opening<'a> {
    pub(crate) system: System,
    pub(crate) pool: Option<&'a PoolState>,
    /// Where the program does it.
    pub(crate) place: Option<Place>,
}

/// Opens the span of a statement, whose own `text` is known where the tally stands for several.
#[cold]
pub(crate) fn statement(
    tally: &Tally,
    text: Option<&str>,
    opening: &Opening<'_>,
) -> Option<Arc<OpenSpan>> {
    let own = text.map(|text| (tally::kept(text), summarise(text).text, sole(text)));
    let (text, summary, sole) = match &own {
        Some((text, summary, sole)) => (&**text, summary, sole),
        None => (tally.sql(), &tally.summary, tally.sole()),
    };
    let name = if summary.is_empty() {
        opening.system.name()
    } else {
        summary
    };
    let span = open!("statement", name, "client", opening, {
        "db.query.text" = text,
        "db.query.summary" = summary,
        "db.operation.name" = sole.operation.as_deref(),
        "db.collection.name" = sole.collection.as_deref(),
        "db.response.returned_rows" = Empty,
        "db.response.status_code" = Empty,
        "sqlx_leash.rows_affected" = Empty,
    });
    span.map(OpenSpan::new)
}

/// Opens the span of an operation on a connection that is no statement. `text` is what it prepares or describes.
#[cold]
pub(crate) fn operation(
    name: &str,
    text: Option<&str>,
    opening: &Opening<'_>,
) -> Option<Arc<OpenSpan>> {
    let text = text.map(tally::kept);
    let span = open!("operation", name, "client", opening, {
        "db.operation.name" = name,
        "db.query.text" = text.as_deref(),
        "db.response.status_code" = Empty,
    });
    span.map(OpenSpan::new)
}

/// Opens the span of a transaction, or of a savepoint in one.
#[cold]
pub(crate) fn transaction(is_savepoint: bool, opening: &Opening<'_>) -> Option<Arc<OpenSpan>> {
    let name = if is_savepoint {
        "savepoint"
    } else {
        "transaction"
    };
    let span = open!("transaction", name, "internal", opening, {
        "db.response.status_code" = Empty,
        "sqlx_leash.ended_by" = Empty,
    });
    span.map(OpenSpan::new)
}

/// Opens the span of an acquire that waits. It follows from the spans in which `holders` took their permits.
#[cold]
pub(crate) fn wait(holders: &[(Place, &Span)], opening: &Opening<'_>) -> Option<Arc<OpenSpan>> {
    let pool = opening.pool?;
    let held_by = holders::words(holders.iter().map(|(place, _)| *place));
    let span = open!("wait", "acquire", "internal", opening, {
        "db.response.status_code" = Empty,
        "sqlx_leash.held_by" = held_by,
        "sqlx_leash.permits" = pool.limits.max_connections,
        "sqlx_leash.permits_held" = pool.held(),
        "sqlx_leash.waiting" = pool.permits.waiting(),
        "sqlx_leash.waited_ms" = Empty,
    })?;
    let others = holders.iter().map(|(_, span)| *span);
    holders::link(&span, others);
    Some(OpenSpan::new(span))
}

/// The values of the fields that all spans have.
struct Common<'a> {
    pool: Option<Arc<str>>,
    namespace: Option<&'a str>,
    address: Option<&'a str>,
    port: Option<u16>,
    file: Option<&'static str>,
    line: Option<u32>,
    function: Option<&'static str>,
}

impl<'a> Common<'a> {
    fn of(opening: &Opening<'a>) -> Self {
        let pool = opening.pool;
        let server = pool.and_then(|pool| pool.endpoint.server_address());
        let place = opening.place.filter(|place| !place.is_unknown());
        Self {
            pool: pool.map(PoolState::label),
            namespace: pool.and_then(|pool| pool.endpoint.namespace.as_deref()),
            address: server.map(|(address, _)| address),
            port: server.and_then(|(_, port)| port),
            file: place.map(|place| place.file),
            line: place.map(|place| place.line),
            function: place.and_then(|place| place.function).map(Function::name),
        }
    }
}
