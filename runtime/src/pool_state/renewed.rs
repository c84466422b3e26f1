//! Settings that every holder of a connection may set anew: an acquire helper's.
//!
//! A connection went back with each. That is a fault once somebody works on a connection without setting it first.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::finding::Finding;
use crate::sql::{Effect, Item};
use crate::sync;

/// A pool remembers this many.
const REMEMBERED: usize = 16;

/// The settings with which connections of a pool went back.
#[derive(Debug, Default)]
pub(crate) struct Renewed {
    /// Whether there are any.
    any: AtomicBool,
    settings: Mutex<Vec<Renewable>>,
}

#[derive(Debug)]
struct Renewable {
    item: &'static Item,
    /// What is reported once a holder does not set it. Without its span, which would stay open as long as the pool.
    finding: Finding,
}

impl Renewed {
    /// Keeps a finding until a holder does not set the item first.
    pub(crate) fn keep(&self, item: &'static Item, finding: Finding) {
        let mut settings = sync::lock(&self.settings);
        let is_known = settings.iter().any(|known| known.is_of(item));
        if !is_known && settings.len() < REMEMBERED {
            settings.push(Renewable { item, finding });
            self.any.store(true, Relaxed);
        }
    }

    /// Whether there are any. In nearly all pools there are none.
    #[inline]
    pub(crate) fn are_any(&self) -> bool {
        self.any.load(Relaxed)
    }

    /// Takes the findings about what a holder has not set, which began with a statement of these effects. One that has
    /// set any of them is taken for one that sets all.
    pub(crate) fn take_unless_set(&self, effects: &[Effect]) -> Vec<Finding> {
        let mut settings = sync::lock(&self.settings);
        let sets_any = effects.iter().any(|effect| match effect {
            Effect::Sets(item) => settings.iter().any(|known| known.is_of(item)),
            _ => false,
        });
        if sets_any {
            return Vec::new();
        }
        self.any.store(false, Relaxed);
        settings.drain(..).map(|known| known.finding).collect()
    }
}

impl Renewable {
    fn is_of(&self, item: &Item) -> bool {
        (self.item.kind, self.item.key) == (item.kind, item.key)
    }
}
