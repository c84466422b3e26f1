//! Runs the contenders in turn, batch by batch, so that a drift in the speed of the machine affects all of them.

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use leash_contender::Measure;

use crate::contenders::Running;
use crate::statistics::Median;

/// The amount of work in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// The kinds of pools, by the minimum of their connections.
    pub(crate) minimums: &'static [u32],
    /// How often each contender is started.
    pub(crate) starts: usize,
    /// The number of batches of each contender and operation, after each start.
    pub(crate) rounds: usize,
    /// The approximate time of a batch.
    pub(crate) batch: Duration,
    /// The approximate time of a batch whose instructions are counted. Counting makes it about fifty times as slow.
    pub(crate) counted_batch: Duration,
}

impl Effort {
    /// For figures to publish.
    pub(crate) const FULL: Self = Self {
        minimums: &[0, 1],
        starts: 21,
        rounds: 3,
        batch: Duration::from_millis(5),
        counted_batch: Duration::from_millis(50),
    };
    /// For a first impression while tuning.
    pub(crate) const QUICK: Self = Self {
        minimums: &[0, 1],
        starts: 5,
        rounds: 3,
        batch: Duration::from_millis(4),
        counted_batch: Duration::from_millis(20),
    };
    /// To check that everything works.
    pub(crate) const SMOKE: Self = Self {
        minimums: &[0],
        starts: 2,
        rounds: 1,
        batch: Duration::ZERO,
        counted_batch: Duration::ZERO,
    };
}

/// What one contender takes per operation, with one sample for each round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// Nanoseconds of wall-clock time.
    pub(crate) wall: Vec<f64>,
    /// Nanoseconds of processor time of all threads.
    pub(crate) cpu: Vec<f64>,
    /// How often a thread was woken.
    pub(crate) wakeups: Vec<f64>,
}

/// Runs an operation on all contenders, in a new order in each round.
pub(crate) fn run(
    contenders: &mut [&mut Running],
    operation: &str,
    times: u32,
    rounds: usize,
) -> Result<Vec<Samples>, Box<dyn Error>> {
    let mut samples = vec![Samples::default(); contenders.len()];
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    for _ in 0..rounds {
        // Keys that are random in each round.
        let random = RandomState::new();
        order.sort_by_key(|contender| random.hash_one(contender));
        for &next in &order {
            let [wall, cpu, wakeups] = contenders[next].run(Measure::Time, times, operation)?;
            samples[next].wall.push(each(wall, times));
            samples[next].cpu.push(each(cpu, times));
            samples[next].wakeups.push(each(wakeups, times));
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
    // 24 doublings are enough for 5 ms, because an operation takes at least half a nanosecond.
    for _ in 0..24 {
        let [wall, ..] = contender.run(Measure::Time, times, operation)?;
        if u128::from(wall) >= batch.as_nanos() {
            let times = u128::from(times) * batch.as_nanos() / u128::from(wall.max(1));
            return Ok(u32::try_from(times)?.max(1));
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
