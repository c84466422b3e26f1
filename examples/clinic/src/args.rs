//! The command line.

use std::time::Duration;

use clap::Parser;
use clap::builder::styling::{AnsiColor, Styles};

use crate::bugs::Bug;
use crate::logs::LogArgs;

/// The exit code when the service itself failed.
pub(crate) const FAILURE: u8 = 1;

/// The exit code when the service did not fail, and a finding was reported.
pub(crate) const FINDING: u8 = 3;

const AFTER_HELP: &str = "\
Environment:
  SQLX_LEASH  levels and limits of the lints, for example
              SQLX_LEASH=outlived_scope=warn       no panic, also in a debug build
              SQLX_LEASH=held_idle=warn:10s        a level and a limit
              SQLX_LEASH=cap=warn,report=5s        nothing panics; a line per call site every 5 s
              SQLX_LEASH=off                       nothing is tracked
  RUST_LOG    the events logged to stderr [default: warn,sqlx_leash=info];
              RUST_LOG=sqlx_leash::query=debug shows every statement

Exit codes:
  0    all batches are stored, and there was no finding
  1    the service failed: the database cannot be opened, or refused a statement
  2    wrong usage
  3    all batches are stored, and a finding was reported; with --doctor, there is something to change
       with --serve: 0 it has stopped and every connection was back, 3 one was not, or a request was not answered
  101  a finding at level deny panicked: in a debug build, outlived_scope, query_budget and a certain pool_deadlock do";

/// An eye clinic's small service on sqlx: devices deliver measurements, sqlx-leash counts its statements and watches its connections.
#[derive(Debug, Parser)]
#[command(
    version,
    after_long_help = AFTER_HELP,
    after_help = "See --help for the environment, the bugs and the exit codes.",
    styles = Styles::styled().header(AnsiColor::Green.on_default().bold()).usage(AnsiColor::Green.on_default().bold()),
)]
pub(crate) struct Args {
    /// The number of batches that the devices deliver in all
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub(crate) batches: u64,

    /// The number of devices that deliver at the same time
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) devices: u64,

    /// The largest number of connections that the pool opens
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) connections: u32,

    /// The database to store in [default: SQLite in a temporary file]
    ///
    /// postgres://user:password@host/database, mysql://user:password@host/database (MariaDB too), or
    /// sqlite://file?mode=rwc. Missing tables are created. Connections are not encrypted: this is an example.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,

    /// Keep exams that were looked up, each until a batch of it is stored
    #[arg(long)]
    pub(crate) cache: bool,

    /// Compare the pool's options with the limits of the database, print that, and do nothing else
    #[arg(long, conflicts_with = "bug")]
    pub(crate) doctor: bool,

    /// Play a failure after the last batch, and see what is reported
    ///
    /// With --serve, it is played again and again, and what it holds is kept until the service stops.
    #[arg(long, value_name = "NAME")]
    pub(crate) bug: Option<Bug>,

    /// Serve the clinic over HTTP, with a live page at /leash, until SIGINT or SIGTERM
    ///
    /// The address is a host and a port: 127.0.0.1:8080, or localhost:0 for a port that is free. Nothing panics because of
    /// a finding then: the service starts with cap=warn, which SQLX_LEASH=cap=deny lifts.
    #[arg(long, value_name = "ADDRESS", value_parser = address, conflicts_with_all = ["batches", "doctor"])]
    pub(crate) serve: Option<String>,

    /// Deliver to the service and read from it, from within [default: for 600 seconds]
    #[arg(long, value_name = "SECONDS", requires = "serve", num_args = 0..=1, require_equals = true, default_missing_value = "600")]
    pub(crate) load: Option<u64>,

    /// How long the service waits for its requests and connections once a signal stops it
    #[arg(long, value_name = "SECONDS", requires = "serve", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) grace: u64,

    #[command(flatten)]
    pub(crate) logs: LogArgs,
}

impl Args {
    /// How long an acquire of a played failure waits. sqlx's default of 30 s is too long for an example; the service's page
    /// is to be read meanwhile.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(if self.serve.is_some() { 20 } else { 1 })
    }
}

/// Accepts a host and a port.
fn address(text: &str) -> Result<String, &'static str> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err("write a host and a port: 127.0.0.1:8080"),
    }
}
