//! What was found in this process, by the watchdog as well.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

use sqlx::Pool;
use sqlx::leash::{self, Backend, Finding, Lint};

use crate::{TestPool, until};

/// What was found, with when, in the order of the callbacks.
static HEARD: Mutex<Vec<(Instant, Finding)>> = Mutex::new(Vec::new());

fn all_heard() -> MutexGuard<'static, Vec<(Instant, Finding)>> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps every finding of the process from now on.
pub fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        leash::on_finding(|finding| all_heard().push((Instant::now(), finding.clone())));
    });
}

/// Every finding so far about the pool of that name.
pub fn heard(pool: &str) -> Vec<Finding> {
    let heard = all_heard();
    let of_pool = heard
        .iter()
        .filter(|(_, finding)| finding.pool.as_deref() == Some(pool));
    of_pool.map(|(_, finding)| finding.clone()).collect()
}

/// What was found about the pool of that name since this was called last.
pub fn take_heard(pool: &str) -> Vec<Finding> {
    all_heard()
        .extract_if(.., |(_, finding)| finding.pool.as_deref() == Some(pool))
        .map(|(_, finding)| finding)
        .collect()
}

impl<DB: Backend> TestPool<DB> {
    /// Whatever is found about it is heard from now on.
    pub fn of(pool: Pool<DB>) -> Self {
        listen();
        Self::new(pool, ())
    }

    /// The same under a name that a snapshot can show.
    #[must_use]
    pub fn called(self, name: &str) -> Self {
        Self::named(name, Pool::clone(&self), self)
    }

    /// Every finding about it so far.
    pub fn heard(&self) -> Vec<Finding> {
        heard(self.name())
    }

    /// Those of one lint.
    pub fn heard_of(&self, lint: Lint) -> Vec<Finding> {
        let mut found = self.heard();
        found.retain(|finding| finding.lint == lint);
        found
    }

    /// The first finding of the lint about it, as soon as there is one, with when.
    #[track_caller]
    pub fn hears(&self, lint: Lint) -> impl Future<Output = (Instant, Finding)> {
        let first = move || {
            let heard = all_heard();
            let mut heard = heard.iter();
            heard
                .find(|(_, finding)| {
                    finding.lint == lint && finding.pool.as_deref() == Some(self.name())
                })
                .cloned()
        };
        let is_heard = until(lint, move || first().is_some());
        async move {
            is_heard.await;
            first().expect("it is heard")
        }
    }
}
