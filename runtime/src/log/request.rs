//! The event of a request.

use std::borrow::Cow;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Span, event, event_enabled};

use crate::measure::units::{count, millis, short};
use crate::scope::foreign;
use crate::site::routes::{Ended, Request, Route};

const REQUEST: &str = "sqlx_leash::request";

/// Emits one event for a request that has ended, inside `span`: at WARN if it is over its budget, else at DEBUG.
pub(crate) fn request(route: &Route, status: Option<u16>, request: &Request<'_>, span: &Span) {
    let level = if request.is_over_budget {
        Level::WARN
    } else {
        Level::DEBUG
    };
    // All that a request costs where no subscriber takes the level.
    if level <= LevelFilter::current() {
        _ = foreign::subscriber(|| span.in_scope(|| emit(route, status, request)));
    }
}

#[cold]
fn emit(route: &Route, status: Option<u16>, request: &Request<'_>) {
    macro_rules! emit {
        ($level:expr) => {
            if event_enabled!(target: REQUEST, $level) {
                event!(
                    target: REQUEST,
                    $level,
                    http.request.method = route.method(),
                    http.route = route.path(),
                    http.response.status_code = status,
                    error.r#type = error_type(status, request.ended).as_deref(),
                    statements = request.statements,
                    db_ms = millis(request.database),
                    wait_ms = millis(request.wait),
                    elapsed_ms = millis(request.time),
                    longest_ms = request.longest.map(|(_, time)| millis(time)),
                    longest = request.longest.map(|(tally, _)| &*tally.summary),
                    repeated = request.repeated.len(),
                    over_budget = request.is_over_budget,
                    "{}",
                    line(route, request),
                );
            }
        };
    }
    if request.is_over_budget {
        emit!(Level::WARN);
    } else {
        emit!(Level::DEBUG);
    }
}

/// What went wrong, if something did: as OpenTelemetry has it, the status of the server's own errors.
fn error_type(status: Option<u16>, ended: Ended) -> Option<Cow<'static, str>> {
    match ended {
        Ended::Cancelled => Some("cancelled".into()),
        Ended::Failed(how) => Some(how.into()),
        Ended::Answered => status
            .filter(|status| *status >= 500)
            .map(|status| status.to_string().into()),
    }
}

fn line(route: &Route, request: &Request<'_>) -> String {
    let mut line = format!(
        "{} {}: {}, {} with the database",
        route.method(),
        route.path(),
        count(request.statements, "statement"),
        short(request.database)
    );
    if !request.wait.is_zero() {
        line += &format!(", {} waiting for permits", short(request.wait));
    }
    if request.is_over_budget {
        line += ": over its budget";
    }
    line
}
