//! Pools that were made a moment ago, until the watchdog has judged whether they are duplicates.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::scope::kept_span::KeptSpan;
use crate::scope::{Scope, context};
use crate::sync;

/// So many are kept at once. Of many that are made together, the first ones are enough to judge all.
const KEPT: usize = 256;

static NEWCOMERS: Mutex<Vec<Newcomer>> = Mutex::new(Vec::new());

/// A pool that was just made, and what was running then.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) pool: u64,
    pub(crate) made: Instant,
    pub(crate) span: KeptSpan,
    pub(crate) scope: Option<Arc<Scope>>,
}

impl Newcomer {
    /// The pool with this id was made now.
    pub(crate) fn now(pool: u64) -> Self {
        Self {
            pool,
            made: Instant::now(),
            span: KeptSpan::current(),
            scope: context::scope(),
        }
    }
}

/// Keeps a pool until it is taken.
pub(crate) fn note(newcomer: Newcomer) {
    let mut newcomers = sync::lock(&NEWCOMERS);
    if newcomers.len() < KEPT {
        newcomers.push(newcomer);
    }
}

/// Takes the pools that are due.
pub(crate) fn take_due(is_due: impl Fn(&Newcomer) -> bool) -> Vec<Newcomer> {
    sync::lock(&NEWCOMERS)
        .extract_if(.., |newcomer| is_due(newcomer))
        .collect()
}

/// When the oldest one that was not taken was made.
pub(crate) fn oldest() -> Option<Instant> {
    sync::lock(&NEWCOMERS).first().map(|newcomer| newcomer.made)
}
