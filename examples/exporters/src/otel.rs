//! OpenTelemetry: one observer that records metrics, and one that makes a span of each statement.

use std::time::SystemTime;

use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::trace::{Span, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use sqlx::leash::observed::{Hold, Opened, PoolRef, Statement, Wait, WaitOutcome};
use sqlx::leash::{self, Observer};

use crate::{ROWS, SECONDS};

const POOL: &str = "db.client.connection.pool.name";

/// Records what ends by the instruments of a meter.
#[derive(Debug)]
pub struct Metrics {
    duration: Histogram<f64>,
    rows: Histogram<u64>,
    wait_time: Histogram<f64>,
    use_time: Histogram<f64>,
    create_time: Histogram<f64>,
    timeouts: Counter<u64>,
}

impl Metrics {
    /// Makes the instruments. The number of connections is no end of anything: it is read from the snapshot at each scrape.
    pub fn new(meter: &Meter) -> Self {
        let seconds = |name| {
            let histogram = meter.f64_histogram(name).with_unit("s");
            histogram.with_boundaries(SECONDS.to_vec()).build()
        };
        let count = meter.i64_observable_up_down_counter("db.client.connection.count");
        count
            .with_callback(|observer| {
                for pool in leash::snapshot().pools {
                    let used = pool.size.saturating_sub(pool.idle);
                    for (state, number) in [("idle", pool.idle), ("used", used)] {
                        let attributes = [
                            KeyValue::new(POOL, pool.label.clone()),
                            KeyValue::new("db.client.connection.state", state),
                        ];
                        observer.observe(number.into(), &attributes);
                    }
                }
            })
            .build();
        let rows = meter.u64_histogram("db.client.response.returned_rows");
        Self {
            duration: seconds("db.client.operation.duration"),
            rows: rows.with_boundaries(ROWS.to_vec()).build(),
            wait_time: seconds("db.client.connection.wait_time"),
            use_time: seconds("db.client.connection.use_time"),
            create_time: seconds("db.client.connection.create_time"),
            timeouts: meter.u64_counter("db.client.connection.timeouts").build(),
        }
    }
}

/// The stable attributes of a statement. Add `db.query.text` for spans alone: a metric would have too many series.
fn attributes(it: &Statement<'_>) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("db.system.name", it.system.to_owned()),
        KeyValue::new("db.operation.name", it.operation.to_owned()),
        KeyValue::new("db.query.summary", it.summary.to_owned()),
    ];
    let namespace = it.pool.and_then(|pool| pool.namespace);
    attributes.extend(namespace.map(|it| KeyValue::new("db.namespace", it.to_owned())));
    attributes.extend(it.pool.as_ref().map(of));
    let error = it.error_type().map(std::borrow::Cow::into_owned);
    attributes.extend(error.map(|it| KeyValue::new("error.type", it)));
    attributes
}

fn of(pool: &PoolRef<'_>) -> KeyValue {
    KeyValue::new(POOL, pool.label.to_owned())
}

impl Observer for Metrics {
    fn statement(&self, it: &Statement<'_>) {
        let attributes = attributes(it);
        self.duration.record(it.time.as_secs_f64(), &attributes);
        if it.error_type().is_none() {
            self.rows.record(it.rows_returned, &attributes);
        }
    }

    fn wait(&self, it: &Wait<'_>) {
        match it.outcome {
            WaitOutcome::Granted => self
                .wait_time
                .record(it.time.as_secs_f64(), &[of(&it.pool)]),
            WaitOutcome::TimedOut => self.timeouts.add(1, &[of(&it.pool)]),
            _ => {}
        }
    }

    fn hold(&self, it: &Hold<'_>) {
        if it.reserved.is_none() {
            self.use_time
                .record(it.time().as_secs_f64(), &[of(&it.pool)]);
        }
    }

    fn opened(&self, it: &Opened<'_>) {
        if let Some(time) = it.time {
            self.create_time.record(time.as_secs_f64(), &[of(&it.pool)]);
        }
    }
}

/// Makes a span of each statement. Its parent is the context that is current where the statement ends: that of
/// `FutureExt::with_context` around the caller. For a program whose spans are those of `tracing`, `Config::spans` does this.
#[derive(Debug)]
pub struct Spans<T>(pub T);

impl<T> Observer for Spans<T>
where
    T: Tracer + Send + Sync + 'static,
{
    fn statement(&self, it: &Statement<'_>) {
        // An `Instant` has no date.
        let ended = SystemTime::now() - it.ended.elapsed();
        let began = ended - it.ended.saturating_duration_since(it.began);
        let mut attributes = attributes(it);
        attributes.push(KeyValue::new("db.query.text", it.text.to_owned()));
        if let Some(site) = it.site {
            let function = site.function.map(str::to_owned);
            attributes.extend(function.map(|it| KeyValue::new("code.function.name", it)));
            attributes.push(KeyValue::new("code.file.path", site.file.to_owned()));
            attributes.push(KeyValue::new("code.line.number", i64::from(site.line)));
        }
        let builder = self.0.span_builder(it.summary.to_owned());
        let mut span = builder
            .with_kind(SpanKind::Client)
            .with_start_time(began)
            .with_attributes(attributes)
            .start_with_context(&self.0, &Context::current());
        if let Some(error) = it.error_type() {
            span.set_status(Status::error(error.into_owned()));
        }
        span.end_with_timestamp(ended);
    }
}
