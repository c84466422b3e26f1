//! The progress bar, and a log that is written above it.

use std::env;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::logs::FileLayer;

/// Shows the number of batches stored: a bar on a terminal, elsewhere a line at the end.
#[derive(Clone, Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(batches: u64) -> Self {
        let style = ProgressStyle::with_template(
            "{bar:40.green} {human_pos} of {human_len} batches, {per_sec}",
        )
        .expect("BUG: the template is well formed");
        Self(ProgressBar::new(batches).with_style(style))
    }

    /// Shows nothing.
    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
        eprintln!(
            "stored {} of {} batches in {:.1?}",
            self.0.position(),
            self.0.length().unwrap_or_default(),
            self.0.elapsed()
        );
    }
}

/// Logs to stderr, above the bar, and into these files.
pub(crate) fn log_above(progress: &Progress, files: Vec<FileLayer>) {
    let progress = progress.clone();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,sqlx_leash=info"));
    let stderr = fmt::layer()
        .with_ansi(io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none())
        .with_writer(move || AboveBar(progress.0.clone()))
        .with_filter(filter);
    // An empty list of layers would take no event, and let no other layer take one.
    let files = (!files.is_empty()).then_some(files);
    tracing_subscriber::registry()
        .with(files)
        .with(stderr)
        .init();
}

struct AboveBar(ProgressBar);

impl Write for AboveBar {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
