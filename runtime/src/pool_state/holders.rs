//! The handles that were last seen to hold permits of a pool.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::sync;

/// This many of them are kept.
pub(crate) const MOST: usize = 16;
/// For this long they are taken for those of a later moment as well.
const FRESH: Duration = Duration::from_millis(10);

/// What was last seen; nothing before it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<Option<Seen>>);

/// The ids of handles that held permits at some time.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) when: Instant,
    pub(crate) ids: SmallVec<[u64; MOST]>,
}

impl Holders {
    /// The ids that were seen since `since`, or a moment before `now`.
    pub(crate) fn seen(&self, since: Instant, now: Instant) -> Option<SmallVec<[u64; MOST]>> {
        let seen = sync::lock(&self.0);
        let seen = seen.as_ref()?;
        let is_fresh = seen.when >= since || now.saturating_duration_since(seen.when) < FRESH;
        is_fresh.then(|| seen.ids.clone())
    }

    pub(crate) fn note(&self, seen: Seen) {
        *sync::lock(&self.0) = Some(seen);
    }
}
