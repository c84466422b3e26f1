//! What is told at the end of the day.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::leash::{self, Snapshot};

/// Whether anything was found.
#[derive(Debug)]
pub(crate) struct Findings(Arc<AtomicBool>);

impl Findings {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let found = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&found);
        // Relaxed: read once, after everything that could set it.
        leash::on_finding(move |_| heard.store(true, Ordering::Relaxed));
        Self(found)
    }

    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Prints which line sent what, how the pool did, and who still holds a connection. Without the feature `leash`, that
/// nothing was counted.
pub(crate) fn print(snapshot: &Snapshot) {
    println!("{snapshot}");
}
