//! A subscriber that exports spans to memory, with a filtered layer beside it.

use std::time::Duration;

use leash_tests::until;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};

/// The spans that were exported of this process. sqlx's SQLite has threads of its own.
pub(crate) struct Exported {
    exporter: InMemorySpanExporter,
    _provider: SdkTracerProvider,
}

/// A layer that wants nothing of what is tested. Because it has a filter, so has each span an answer for each layer.
struct Beside;

impl<S: Subscriber> Layer<S> for Beside {}

impl Exported {
    /// Exports what is at INFO, and the events of sqlx.
    pub(crate) fn start() -> Self {
        Self::of(|metadata| {
            *metadata.level() <= Level::INFO || metadata.target().starts_with("sqlx::")
        })
    }

    /// Exports what `wants` names.
    pub(crate) fn of(wants: fn(&tracing::Metadata<'_>) -> bool) -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let bridge = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry()
            .with(bridge.with_filter(filter_fn(wants)))
            .with(Beside.with_filter(LevelFilter::WARN));
        tracing::subscriber::set_global_default(subscriber).unwrap();
        Self {
            exporter,
            _provider: provider,
        }
    }

    /// Forgets what was exported so far.
    pub(crate) fn reset(&self) {
        self.exporter.reset();
    }

    /// All that have ended, in the order of their ends.
    pub(crate) fn all(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }

    fn named(&self, name: &str) -> Vec<SpanData> {
        let mut spans = self.all();
        spans.retain(|span| span.name == name);
        spans
    }

    /// Waits for `count` spans of that name, and returns them. sqlx's SQLite thread leaves a span a moment after its statement.
    #[track_caller]
    pub(crate) fn await_named(
        &self,
        count: usize,
        name: &'static str,
    ) -> impl Future<Output = Vec<SpanData>> {
        let is_there = until(format!("{count} spans {name}"), move || {
            self.named(name).len() >= count
        });
        async move {
            is_there.await;
            let spans = self.named(name);
            assert_eq!(spans.len(), count, "{spans:#?}");
            spans
        }
    }

    /// Waits for the only span of that name.
    #[track_caller]
    pub(crate) fn await_one(&self, name: &'static str) -> impl Future<Output = SpanData> {
        let named = self.await_named(1, name);
        async move { named.await.remove(0) }
    }
}

/// The value of an attribute, as text. A name must not occur twice.
#[track_caller]
pub(crate) fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let mut values = span
        .attributes
        .iter()
        .filter(|attribute| attribute.key.as_str() == name)
        .map(|attribute| attribute.value.to_string());
    let value = values.next();
    assert_eq!(values.next(), None, "twice {name}: {span:#?}");
    value
}

/// From the start to the end.
pub(crate) fn time(span: &SpanData) -> Duration {
    span.end_time.duration_since(span.start_time).unwrap()
}
