//! The findings that this process has received, those of the watchdog included.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

use sqlx::Pool;
use sqlx::leash::{self, Backend, Finding, Lint};

use crate::{TestPool, until};

/// Each finding and the time of its callback, in the order of the callbacks.
static RECEIVED: Mutex<Vec<(Instant, Finding)>> = Mutex::new(Vec::new());

fn all_received() -> MutexGuard<'static, Vec<(Instant, Finding)>> {
    RECEIVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps every finding of the process from now on.
pub fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        leash::on_finding(|finding| all_received().push((Instant::now(), finding.clone())));
    });
}

/// Every finding so far about the pool with that name.
pub fn received(pool: &str) -> Vec<Finding> {
    let received = all_received();
    let of_pool = received
        .iter()
        .filter(|(_, finding)| finding.pool.as_deref() == Some(pool));
    of_pool.map(|(_, finding)| finding.clone()).collect()
}

/// Removes and returns the findings about the pool with that name.
pub fn take_received(pool: &str) -> Vec<Finding> {
    all_received()
        .extract_if(.., |(_, finding)| finding.pool.as_deref() == Some(pool))
        .map(|(_, finding)| finding)
        .collect()
}

impl<DB: Backend> TestPool<DB> {
    /// A test pool whose findings are received from now on.
    pub fn of(pool: Pool<DB>) -> Self {
        listen();
        Self::new(pool, ())
    }

    /// The same pool under a name that is the same in every run, for snapshots.
    #[must_use]
    pub fn called(self, name: &str) -> Self {
        Self::named(name, Pool::clone(&self), self)
    }

    /// Every finding about this pool so far.
    pub fn received(&self) -> Vec<Finding> {
        received(self.name())
    }

    /// The findings of one lint about this pool.
    pub fn received_of(&self, lint: Lint) -> Vec<Finding> {
        let mut found = self.received();
        found.retain(|finding| finding.lint == lint);
        found
    }

    /// Waits for the first finding of the lint about this pool, and returns it with the time of its callback.
    #[track_caller]
    pub fn first_of(&self, lint: Lint) -> impl Future<Output = (Instant, Finding)> {
        let first = move || {
            let received = all_received();
            let mut received = received.iter();
            received
                .find(|(_, finding)| {
                    finding.lint == lint && finding.pool.as_deref() == Some(self.name())
                })
                .cloned()
        };
        let is_received = until(lint, move || first().is_some());
        async move {
            is_received.await;
            first().expect("it is received")
        }
    }
}
