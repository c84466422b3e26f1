//! Plain sqlx, with a subscriber that formats its log events of statements.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() {
    tracing_subscriber::registry()
        .with(Targets::new().with_target("sqlx::query", LevelFilter::DEBUG))
        .with(fmt::layer().with_writer(std::io::sink))
        .init();
    contender_plain::serve();
}
