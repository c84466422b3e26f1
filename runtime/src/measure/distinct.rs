//! The number of different things that were seen, in 64 bytes.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

const REGISTERS: usize = 64;

/// A HyperLogLog sketch (Flajolet et al., 2007) of 64 registers. Its standard error is 13 %, whatever the number.
#[derive(Debug)]
pub(crate) struct Distinct {
    registers: [AtomicU8; REGISTERS],
}

impl Distinct {
    pub(crate) const fn new() -> Self {
        Self {
            registers: [const { AtomicU8::new(0) }; REGISTERS],
        }
    }

    /// Notes a thing by its hash.
    pub(crate) fn note(&self, hash: u64) {
        let register = usize::try_from(hash >> 58).expect("BUG: six bits fit");
        // The six lowest bits are free after the shift. One of them is set, so that the rank is bounded.
        let rank = u8::try_from(((hash << 6) | 1 << 5).leading_zeros() + 1)
            .expect("BUG: a rank is at most 60");
        // Nearly always it is set already, and a plain load costs less than a read-modify-write.
        if self.registers[register].load(Relaxed) < rank {
            self.registers[register].fetch_max(rank, Relaxed);
        }
    }

    /// An estimate of the number of different things.
    pub(crate) fn estimate(&self) -> u64 {
        let m = 64.0_f64;
        let (mut sum, mut empty) = (0.0, 0_u8);
        for register in &self.registers {
            let rank = register.load(Relaxed);
            sum += (-f64::from(rank)).exp2();
            empty += u8::from(rank == 0);
        }
        let raw = 0.709 * m * m / sum;
        // For small numbers, the number of empty registers gives a better estimate.
        let estimate = if raw <= 2.5 * m && empty > 0 {
            m * (m / f64::from(empty)).ln()
        } else {
            raw
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate is positive and far below 2^63"
        )]
        let estimate = estimate.round() as u64;
        estimate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn estimates_stay_within_three_standard_errors() {
        let hasher = rustc_hash::FxBuildHasher;
        for expected in [1_u64, 10, 100, 1_000, 10_000, 100_000] {
            let distinct = Distinct::new();
            for text in 0..expected {
                distinct.note(hasher.hash_one(format!("SELECT {text}")));
                distinct.note(hasher.hash_one(format!("SELECT {text}")));
            }
            let estimate = distinct.estimate();
            assert!(
                estimate.abs_diff(expected) * 100 <= expected * 39,
                "{estimate} for {expected}"
            );
        }
    }
}
