//! What the tracker counts, by way of three exporters. Each module is meant to be copied.
//!
//! | module | way | what it exports |
//! | --- | --- | --- |
//! | [`facade`] | an observer | the `metrics` facade, with its Prometheus exporter |
//! | [`otel`] | two observers | metrics and spans of OpenTelemetry, the metrics by its Prometheus exporter |
//! | [`collector`] | the snapshot | a collector of `prometheus-client` |
//!
//! The names are those of OpenTelemetry's semantic conventions 1.44, in Prometheus' form where Prometheus takes them. A
//! program that only wants a page for Prometheus needs none of this: `leash::prometheus()` returns one.

pub mod collector;
pub mod facade;
pub mod otel;
pub mod page;

/// The conventions' bounds for durations, in seconds.
pub const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The conventions' bounds for the number of returned rows.
pub const ROWS: [f64; 13] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0,
];
