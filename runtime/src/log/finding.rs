//! The event of a finding: its parts as fields, for machines, and its drawing, for people.

use std::fmt::Display;

use tracing::{Level, Span, event, event_enabled};

use super::FINDING;
use crate::config;
use crate::finding::{self, CallSite, Finding};
use crate::measure::units::millis;
use crate::scope::foreign;

/// How a finding is told this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Drawn in full.
    InFull,
    /// In one line.
    InALine,
    /// In one line, after so many others of its cause were suppressed.
    Again { suppressed: u64 },
}

impl Finding {
    /// The finding in one line.
    pub(crate) fn line(&self, telling: Telling) -> String {
        let line = match telling {
            Telling::InFull | Telling::InALine => self.to_string(),
            Telling::Again { suppressed } => {
                format!("{self} (again; {suppressed} suppressed since the last report)")
            }
        };
        // A pool's name, or what a server has said, may have several lines.
        line.replace(char::is_control, " ")
    }
}

/// Emits one event for a finding, inside `span`. Returns whether a subscriber takes it.
///
/// `drawn` draws it, or returns its line if it is told in a line. It is called only where that is shown.
pub(crate) fn emit(
    finding: &Finding,
    span: &Span,
    telling: Telling,
    drawn: impl FnOnce() -> String,
) -> bool {
    let emit = || {
        let is_error = finding.level == finding::Level::Deny;
        let is_taken = if is_error {
            event_enabled!(target: FINDING, Level::ERROR)
        } else {
            event_enabled!(target: FINDING, Level::WARN)
        };
        if is_taken {
            Event::of(finding, telling, drawn).emit(is_error);
        }
        is_taken
    };
    foreign::subscriber(|| span.in_scope(emit)).unwrap_or(false)
}

/// The event of a finding. What it does not have is `None`, and is no field then.
struct Event<'a> {
    finding: &'a Finding,
    message: String,
    certainty: String,
    suppressed: Option<u64>,
    /// `None` if only the drawing is shown.
    parts: Option<Parts>,
}

/// The parts of a finding that several fields or lines are made from.
struct Parts {
    help: Option<String>,
    notes: Option<String>,
    facts: Option<String>,
    places: String,
}

impl<'a> Event<'a> {
    fn of(finding: &'a Finding, telling: Telling, drawn: impl FnOnce() -> String) -> Self {
        let events = config::rules().events();
        Self {
            finding,
            message: if events.has_drawing() {
                drawn()
            } else {
                finding.line(telling)
            },
            certainty: finding.certainty.to_string(),
            suppressed: match telling {
                Telling::InFull | Telling::InALine => None,
                Telling::Again { suppressed } => Some(suppressed),
            },
            parts: events.has_fields().then(|| Parts::of(finding)),
        }
    }

    fn emit(&self, is_error: bool) {
        let finding = self.finding;
        let parts = self.parts.as_ref();
        let whole = parts.map(|_| finding);
        let numbers = whole.map(|finding| finding.numbers).unwrap_or_default();
        let holder = whole.and_then(|finding| finding.holder.as_ref());
        let waiter = whole.and_then(|finding| finding.waiter.as_ref());
        macro_rules! emit {
            ($level:expr) => {
                event!(
                    target: FINDING,
                    $level,
                    lint = finding.lint.name(),
                    lint_level = finding.level.name(),
                    certainty = &*self.certainty,
                    verdict = whole.and_then(|finding| finding.verdict).map(finding::Verdict::name),
                    title = whole.map(|finding| &*finding.title),
                    cause = whole.map(|finding| &*finding.cause),
                    help = parts.and_then(|parts| parts.help.as_deref()),
                    notes = parts.and_then(|parts| parts.notes.as_deref()),
                    facts = parts.and_then(|parts| parts.facts.as_deref()),
                    places = parts.map(|parts| &*parts.places),
                    code.function.name = finding.function.as_deref(),
                    code.file.path = finding.primary.file,
                    code.line.number = finding.primary.line,
                    code.column.number = finding.primary.column,
                    holder.code.function.name = holder.and_then(|it| it.function.as_deref()),
                    holder.code.file.path = holder.map(|it| &*it.file),
                    holder.code.line.number = holder.map(|it| it.line),
                    waiter.code.function.name = waiter.and_then(|it| it.function.as_deref()),
                    waiter.code.file.path = waiter.map(|it| &*it.file),
                    waiter.code.line.number = waiter.map(|it| it.line),
                    db.client.connection.pool.name = finding.pool.as_deref(),
                    count = numbers.count,
                    limit = numbers.limit,
                    limit_ms = numbers.limit_time.map(millis),
                    elapsed_ms = numbers.elapsed.map(millis),
                    waited_ms = numbers.waited.map(millis),
                    held_ms = numbers.held.map(millis),
                    idle_ms = numbers.idle.map(millis),
                    waiting = numbers.waiting,
                    max_connections = numbers.max_connections,
                    suppressed = self.suppressed,
                    "{}",
                    self.message,
                )
            };
        }
        if is_error {
            emit!(Level::ERROR);
        } else {
            emit!(Level::WARN);
        }
    }
}

impl Parts {
    fn of(finding: &Finding) -> Self {
        let related = finding.related.iter();
        let related = related.map(|related| place(&related.site, &related.label));
        let primary = place(&finding.primary, &finding.label);
        Self {
            help: lines(&finding.help),
            notes: lines(&finding.notes),
            facts: lines(&finding.facts),
            places: [primary]
                .into_iter()
                .chain(related)
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }
}

/// A line that can be searched for its place: `src/exam.rs:12:9: taken here`.
fn place(site: &CallSite, label: &str) -> String {
    format!("{site}: {label}")
}

fn lines(texts: &[impl Display]) -> Option<String> {
    let lines: Vec<String> = texts.iter().map(ToString::to_string).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
