//! The number of statements that a scope may send.

use std::sync::Mutex;

use crate::site::tally::Tally;
use crate::sync;

/// A budget remembers this many different statements.
const REMEMBERED: usize = 16;

/// The number of statements that a scope may send, and the statements that it has sent.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limit: u64,
    /// Each text and place once, with its number of calls. Those beyond [`REMEMBERED`] are left out.
    sent: Mutex<Vec<(&'static Tally, u64)>>,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            sent: Mutex::default(),
        }
    }

    pub(super) fn note(&self, tally: &'static Tally) {
        let mut sent = sync::lock(&self.sent);
        let known = sent
            .iter()
            .position(|(known, _)| std::ptr::eq(*known, tally));
        match known {
            Some(at) => sent[at].1 += 1,
            None if sent.len() < REMEMBERED => sent.push((tally, 1)),
            None => {}
        }
    }

    /// The remembered statements in the order of their first use, each with its number of calls.
    pub(crate) fn sent(&self) -> Vec<(&'static Tally, u64)> {
        sync::lock(&self.sent).clone()
    }
}
