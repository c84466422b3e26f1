//! Runs the contenders in turn, batch by batch, so that a drift in the speed of the machine affects all of them.

use std::error::Error;
use std::time::Duration;

use leash_contender::Measure;

use crate::contenders::Running;
use crate::statistics::Median;

/// The amount of work in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// The number of batches of each contender and operation.
    pub(crate) rounds: usize,
    /// The approximate time of a batch.
    pub(crate) batch: Duration,
    /// The approximate time of a batch whose instructions are counted. Counting makes it about fifty times as slow.
    pub(crate) counted_batch: Duration,
}

impl Effort {
    /// For figures to publish.
    pub(crate) const FULL: Self = Self {
        rounds: 101,
        batch: Duration::from_millis(8),
        counted_batch: Duration::from_millis(100),
    };
    /// For a first impression while tuning.
    pub(crate) const QUICK: Self = Self {
        rounds: 21,
        batch: Duration::from_millis(4),
        counted_batch: Duration::from_millis(20),
    };
    /// To check that everything works.
    pub(crate) const SMOKE: Self = Self {
        rounds: 2,
        batch: Duration::ZERO,
        counted_batch: Duration::ZERO,
    };
}

/// The nanoseconds per operation of one contender, with one sample for each round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// Wall-clock time.
    pub(crate) wall: Vec<f64>,
    /// Processor time of all threads.
    pub(crate) cpu: Vec<f64>,
}

/// Runs an operation on all contenders, in a different order in each round.
pub(crate) fn run(
    contenders: &mut [Running],
    operation: &str,
    times: u32,
    rounds: usize,
) -> Result<Vec<Samples>, Box<dyn Error>> {
    let mut samples = vec![Samples::default(); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            // Every other round runs backwards, so that no contender always follows the same one.
            let turn = if round % 2 == 0 {
                turn
            } else {
                contenders.len() - 1 - turn
            };
            let next = (turn + round) % contenders.len();
            let [wall, cpu] = contenders[next].run(Measure::Time, times, operation)?;
            samples[next].wall.push(each(wall, times));
            samples[next].cpu.push(each(cpu, times));
        }
    }
    Ok(samples)
}

/// Returns the number of operations for which a batch takes that time.
pub(crate) fn calibrate(
    contender: &mut Running,
    operation: &str,
    batch: Duration,
) -> Result<u32, Box<dyn Error>> {
    let mut times = 2;
    // 24 doublings are enough for 8 ms, because an operation takes at least half a nanosecond.
    for _ in 0..24 {
        let [wall, _] = contender.run(Measure::Time, times, operation)?;
        if Duration::from_nanos(wall) >= batch {
            break;
        }
        times *= 2;
    }
    Ok(times)
}

/// The share of one operation in `total`.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn each(total: u64, times: u32) -> f64 {
    total as f64 / f64::from(times)
}

/// The median of `b / a`, round by round.
pub(crate) fn ratio(a: &[f64], b: &[f64]) -> Median {
    Median::of(a.iter().zip(b).map(|(a, b)| b / a))
}

/// The median of `b - a`, round by round.
pub(crate) fn added(a: &[f64], b: &[f64]) -> Median {
    Median::of(a.iter().zip(b).map(|(a, b)| b - a))
}
