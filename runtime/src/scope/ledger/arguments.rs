//! How alike the arguments of a call site's statements are. Of an argument, only its keyed hash is kept.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use crate::measure::distinct::Distinct;

/// A line keeps this many identities apart. Further ones are estimated.
const IDENTITIES: usize = 16;

/// What is known of a statement's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nobody has looked: it was the first call of its site, in a release build.
    Unseen,
    /// They are too large, or of a driver that is not known.
    Unknown,
    /// Their keyed hash.
    Known(u64),
}

impl Identity {
    /// The identity of the same arguments of another text.
    pub(crate) fn with(self, text: u64) -> Self {
        match self {
            Identity::Known(hash) => Identity::Known(FxBuildHasher.hash_one((hash, text))),
            unknown => unknown,
        }
    }
}

/// How alike the arguments of a line's calls are.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// The identities, each with its number of calls since the last write to what the line reads.
    kept: SmallVec<[(u64, u64); IDENTITIES]>,
    /// All identities, once there are more than are kept.
    sketch: Option<Box<Distinct>>,
    /// The number of calls at whose arguments nobody has looked.
    pub(crate) unseen: u64,
    /// The number of calls whose arguments cannot be compared.
    pub(crate) unknown: u64,
    /// The largest number of calls with the same arguments and no write in between.
    pub(crate) most: u64,
    /// The number of calls that had the arguments of an earlier one, with no write in between. Of those that are estimated,
    /// none is counted.
    pub(crate) repeated: u64,
}

impl Arguments {
    pub(super) fn note(&mut self, identity: Identity) {
        let hash = match identity {
            Identity::Unseen => {
                self.unseen += 1;
                return;
            }
            Identity::Unknown => {
                self.unknown += 1;
                return;
            }
            Identity::Known(hash) => hash,
        };
        if let Some((_, calls)) = self.kept.iter_mut().find(|(kept, _)| *kept == hash) {
            self.repeated += u64::from(*calls > 0);
            *calls += 1;
            self.most = self.most.max(*calls);
            return;
        }
        if self.kept.len() < IDENTITIES {
            self.kept.push((hash, 1));
            self.most = self.most.max(1);
            return;
        }
        let kept = &self.kept;
        let sketch = self.sketch.get_or_insert_with(|| {
            let sketch = Box::new(Distinct::new());
            kept.iter().for_each(|(hash, _)| sketch.note(*hash));
            sketch
        });
        sketch.note(hash);
    }

    /// Starts anew: what comes is not compared with what was.
    pub(super) fn forget(&mut self) {
        for (_, calls) in &mut self.kept {
            *calls = 0;
        }
    }

    /// The number of different arguments that were seen. An estimate above [`IDENTITIES`].
    pub(crate) fn distinct(&self) -> u64 {
        match &self.sketch {
            None => self.kept.len() as u64,
            Some(sketch) => sketch.estimate().max(IDENTITIES as u64 + 1),
        }
    }

    /// Whether [`distinct`](Self::distinct) is an estimate.
    pub(crate) fn is_estimate(&self) -> bool {
        self.sketch.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher};

    use super::*;

    #[test]
    fn arguments_are_told_apart_and_then_estimated() {
        let mut arguments = Arguments::default();
        arguments.note(Identity::Unseen);
        for hash in 0..IDENTITIES as u64 {
            arguments.note(Identity::Known(hash));
        }
        arguments.note(Identity::Known(3));
        arguments.note(Identity::Unknown);
        assert_eq!((arguments.unseen, arguments.unknown), (1, 1));
        assert_eq!((arguments.most, arguments.repeated), (2, 1));
        assert_eq!((arguments.distinct(), arguments.is_estimate()), (16, false));

        for number in 0..1_000_u64 {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(number);
            arguments.note(Identity::Known(hasher.finish()).with(1));
        }
        assert!(arguments.is_estimate());
        let distinct = arguments.distinct();
        assert!((500..2_000).contains(&distinct), "{distinct}");
    }
}
