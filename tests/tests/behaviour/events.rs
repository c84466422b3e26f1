//! The events sent to `tracing`: statements, findings in the span of their handle, the start line, the report.

mod findings;
mod intervals;
pub(crate) mod json;
mod lent;
mod observer;
mod parts;
mod reports;
mod requests;
mod statements;
mod table;

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::common::full_name;

/// One event, as text.
#[derive(Clone, Debug)]
struct Seen {
    target: &'static str,
    level: Level,
    /// The spans around the event, outermost first.
    spans: Vec<&'static str>,
    fields: BTreeMap<&'static str, String>,
}

impl Seen {
    #[track_caller]
    fn field(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .unwrap_or_else(|| panic!("no field `{name}`: {self:#?}"))
    }
}

/// An event's fields, as text.
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

/// A layer that keeps the events of this crate.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<Seen>>>);

impl Collected {
    /// Collects events on this thread until the guard is dropped.
    fn start() -> (Self, DefaultGuard) {
        let collected = Self::default();
        let guard = tracing::subscriber::set_default(
            tracing_subscriber::registry().with(collected.clone()),
        );
        (collected, guard)
    }

    fn of(&self, target: &str) -> Vec<Seen> {
        let seen = self.0.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.target == target)
            .cloned()
            .collect()
    }

    /// The statements sent by `function`.
    fn queries_of(&self, function: &str) -> Vec<Seen> {
        let function = full_name(function);
        let mut queries = self.of("sqlx_leash::query");
        queries.retain(|seen| seen.fields.get("code.function.name") == Some(&function));
        queries
    }

    /// All events as one text.
    fn text(&self) -> String {
        self.0
            .lock()
            .unwrap()
            .iter()
            .fold(String::new(), |mut text, seen| {
                writeln!(text, "{seen:?}").unwrap();
                text
            })
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Collected {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !event.metadata().target().starts_with("sqlx_leash") {
            return;
        }
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let spans = context
            .event_scope(event)
            .map(|scope| scope.from_root().map(|span| span.name()).collect());
        self.0.lock().unwrap().push(Seen {
            target: event.metadata().target(),
            level: *event.metadata().level(),
            spans: spans.unwrap_or_default(),
            fields: fields.0,
        });
    }
}
