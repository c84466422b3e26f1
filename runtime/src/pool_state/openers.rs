//! The places for whose acquires a pool has opened connections lately.

use std::sync::{Arc, Mutex, Weak};

use crate::scope::Scope;
use crate::source::place::Place;
use crate::sync;

/// So many places are kept apart. Further ones are not listed.
const KEPT: usize = 16;

/// The places for whose acquires a pool has opened connections, since it has last opened none for a while.
#[derive(Debug, Default)]
pub(crate) struct Openers(Mutex<Vec<Opener>>);

/// A place whose acquires have opened connections.
#[derive(Clone, Debug)]
pub(crate) struct Opener {
    pub(crate) place: Place,
    pub(crate) opened: u64,
    /// The test in which the last one was opened.
    test: Weak<Scope>,
}

impl Opener {
    /// The test in which its last connection was opened, while it runs.
    pub(crate) fn test(&self) -> Option<Arc<Scope>> {
        self.test.upgrade()
    }
}

impl Openers {
    /// Counts connections that were opened for an acquire at `place`.
    pub(crate) fn add(&self, place: Place, opened: u64, test: Option<&Arc<Scope>>) {
        let test = test.map(Arc::downgrade).unwrap_or_default();
        let mut openers = sync::lock(&self.0);
        let known = openers.iter_mut().find(|it| it.place.is_same(place));
        if let Some(known) = known {
            known.opened += opened;
            known.test = test;
        } else if openers.len() < KEPT {
            openers.push(Opener {
                place,
                opened,
                test,
            });
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        sync::lock(&self.0).clear();
    }

    /// All, the one that has opened most first.
    pub(crate) fn read(&self) -> Vec<Opener> {
        let mut openers = sync::lock(&self.0).clone();
        openers.sort_by_key(|opener| std::cmp::Reverse(opener.opened));
        openers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32) -> Place {
        Place {
            line,
            ..Place::UNKNOWN
        }
    }

    #[test]
    fn the_one_that_opens_most_comes_first_and_few_are_kept() {
        let openers = Openers::default();
        for line in 0..100 {
            openers.add(place(line), 1, None);
        }
        openers.add(place(7), 2, None);
        let read = openers.read();
        assert_eq!((read[0].place.line, read[0].opened), (7, 3));
        assert_eq!(read.len(), KEPT);
        openers.clear();
        assert!(openers.read().is_empty());
    }
}
