//! sqlx-otel, with a collector that discards its spans, and one that adds up its metrics.

use opentelemetry::global;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

#[derive(Debug)]
struct Forget;

impl SpanExporter for Forget {
    async fn export(&self, _spans: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

fn main() {
    let spans = SdkTracerProvider::builder()
        .with_simple_exporter(Forget)
        .build();
    let metrics = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(InMemoryMetricExporter::default()).build())
        .build();
    global::set_tracer_provider(spans);
    global::set_meter_provider(metrics);
    contender_otel::serve();
}
