//! Contenders in turn, batch by batch, so that a machine whose speed drifts drifts for all of them.

use std::error::Error;
use std::time::Duration;

use leash_contender::Measure;

use crate::contenders::Running;
use crate::statistics::Median;

/// How much is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Batches of each contender and operation.
    pub(crate) rounds: usize,
    /// How long a batch takes, about.
    pub(crate) batch: Duration,
    /// The same where instructions are counted, which takes fifty times as long.
    pub(crate) counted_batch: Duration,
}

impl Effort {
    /// For figures.
    pub(crate) const FULL: Self = Self {
        rounds: 101,
        batch: Duration::from_millis(8),
        counted_batch: Duration::from_millis(100),
    };
    /// For who tunes, and wants to know where it goes.
    pub(crate) const QUICK: Self = Self {
        rounds: 21,
        batch: Duration::from_millis(4),
        counted_batch: Duration::from_millis(20),
    };
    /// To see that everything works.
    pub(crate) const SMOKE: Self = Self {
        rounds: 2,
        batch: Duration::ZERO,
        counted_batch: Duration::ZERO,
    };
}

/// Nanoseconds per operation of one contender, a sample per round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// By the clock.
    pub(crate) wall: Vec<f64>,
    /// Of processor time, all threads.
    pub(crate) cpu: Vec<f64>,
}

/// Runs an operation on all of them, in another order each round.
pub(crate) fn run(
    contenders: &mut [Running],
    operation: &str,
    times: u32,
    rounds: usize,
) -> Result<Vec<Samples>, Box<dyn Error>> {
    let mut samples = vec![Samples::default(); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            // Backwards every other time, so that nobody always runs after the same one.
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

/// How often the operation has to be run for a batch of that length.
pub(crate) fn calibrate(
    contender: &mut Running,
    operation: &str,
    batch: Duration,
) -> Result<u32, Box<dyn Error>> {
    let mut times = 2;
    // Doubled at most 24 times: an operation takes half a nanosecond or more.
    for _ in 0..24 {
        let [wall, _] = contender.run(Measure::Time, times, operation)?;
        if Duration::from_nanos(wall) >= batch {
            break;
        }
        times *= 2;
    }
    Ok(times)
}

/// A share of `total`.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn each(total: u64, times: u32) -> f64 {
    total as f64 / f64::from(times)
}

/// What `b` takes by what `a` takes, round by round.
pub(crate) fn ratio(a: &[f64], b: &[f64]) -> Median {
    Median::of(a.iter().zip(b).map(|(a, b)| b / a))
}

/// What `b` takes more than `a`, round by round.
pub(crate) fn added(a: &[f64], b: &[f64]) -> Median {
    Median::of(a.iter().zip(b).map(|(a, b)| b - a))
}
