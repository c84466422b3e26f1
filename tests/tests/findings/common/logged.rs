//! The lines that the crate logs and the panics of this process.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, Once, PoisonError};

use leash_tests::Place;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// The lines that the crate logs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// The lines of a target, each after its level: `INFO text`.
    pub(crate) fn of(&self, target: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let of = format!("{target} ");
        lines
            .iter()
            .filter_map(|line| line.strip_prefix(&of).map(str::to_owned))
            .collect()
    }

    /// Collects the lines of the whole process.
    pub(crate) fn of_process() -> Self {
        use tracing_subscriber::layer::SubscriberExt as _;
        let lines = Self::default();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.clone()))
            .unwrap();
        lines
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let (target, level) = (event.metadata().target(), event.metadata().level());
        if target.starts_with("sqlx_leash") {
            self.0
                .lock()
                .unwrap()
                .push(format!("{target} {level} {}", message.0));
        }
    }
}

/// The place and message of each panic.
static PANICS: Mutex<Vec<(Place, String)>> = Mutex::new(Vec::new());

/// Records every panic of the process from now on.
pub(crate) fn note_panics() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(|location| Place {
                file: location.file().to_owned(),
                line: location.line(),
                column: location.column(),
            });
            let message = panic.payload_as_str().unwrap_or_default().to_owned();
            if let Some(place) = place {
                let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
                panics.push((place, message));
            }
            before(panic);
        }));
    });
}

/// The panics whose message names this pool.
pub(crate) fn panics_about(pool: &str) -> Vec<(Place, String)> {
    let names = [format!("pool {pool} "), format!("pool {pool}, ")];
    let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    panics
        .iter()
        .filter(|(_, message)| names.iter().any(|name| message.contains(name)))
        .cloned()
        .collect()
}

/// The messages of the panics at this place.
pub(crate) fn panics_at(place: &Place) -> Vec<String> {
    let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    let here = panics.iter().filter(|(at, _)| at == place);
    here.map(|(_, message)| message.clone()).collect()
}
