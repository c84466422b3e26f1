//! The report at the end of the day.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::leash;

use crate::args::Args;

/// Whether there was a finding.
#[derive(Debug)]
pub(crate) struct Findings(Arc<AtomicBool>);

impl Findings {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let found = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&found);
        // Relaxed: read once, after everything that could set it.
        leash::on_finding(move |_| flag.store(true, Ordering::Relaxed));
        Self(found)
    }

    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Prints the statements of each line, the pools, and the handles that are still held. Without the feature `leash`, it
/// prints that nothing was counted.
///
/// What happened since the reporter's last line goes into the log files, if there are any.
pub(crate) fn at_the_end(args: &Args) {
    println!("{}", leash::snapshot());
    if args.logs.logs.is_some() {
        leash::report();
    }
}
