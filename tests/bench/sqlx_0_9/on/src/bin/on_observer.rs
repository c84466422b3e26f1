//! sqlx-leash with `track`, and an observer that sums up what it is told.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sqlx::leash::observed::{Hold, Statement, Wait};
use sqlx::leash::{self, Observer};

static STATEMENTS: AtomicU64 = AtomicU64::new(0);
static WAITS: AtomicU64 = AtomicU64::new(0);
static HOLDS: AtomicU64 = AtomicU64::new(0);

struct Counts;

impl Observer for Counts {
    fn statement(&self, _: &Statement<'_>) {
        STATEMENTS.fetch_add(1, Relaxed);
    }

    fn wait(&self, _: &Wait<'_>) {
        WAITS.fetch_add(1, Relaxed);
    }

    fn hold(&self, _: &Hold<'_>) {
        HOLDS.fetch_add(1, Relaxed);
    }
}

fn main() {
    leash::observe(Counts);
    contender_on::serve();
}
