//! sqlx-leash with `track` and its reporter, with a subscriber that formats a report every second.

use std::time::Duration;

use sqlx::leash;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() {
    tracing_subscriber::registry()
        .with(Targets::new().with_target("sqlx_leash", LevelFilter::INFO))
        .with(fmt::layer().with_writer(std::io::sink))
        .init();
    leash::Config::new()
        .report_every(Duration::from_secs(1))
        .install();
    leash::spawn_reporter();
    contender_on::serve();
}
