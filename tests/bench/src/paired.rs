//! Two contenders in turn: A B A B …, so that a machine whose speed drifts drifts for both.

use std::time::{Duration, Instant};

/// How two contenders compare, per operation.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// The first one's median time.
    pub a: Duration,
    /// The second one's median time.
    pub b: Duration,
    /// B's time by A's, pair by pair: first quartile, median, third quartile.
    pub ratio: [f64; 3],
    /// B's time less A's in nanoseconds, pair by pair: the median.
    pub added_nanos: f64,
    /// Allocations on the calling thread: A's, B's.
    pub allocations: [f64; 2],
}

/// Runs both contenders `batches` times, `per_batch` operations each, after a batch each to warm up and count allocations.
///
/// A contender is told how many operations to run.
pub fn compare(
    batches: u32,
    per_batch: u32,
    mut a: impl FnMut(u32),
    mut b: impl FnMut(u32),
) -> Comparison {
    // The first batch fills caches and counters; the second one's allocations are those of every further one.
    a(per_batch);
    b(per_batch);
    let allocations = [allocated(per_batch, &mut a), allocated(per_batch, &mut b)];
    let pairs: Vec<(f64, f64)> = (0..batches)
        .map(|_| (seconds(per_batch, &mut a), seconds(per_batch, &mut b)))
        .collect();
    let per_operation = |seconds: f64| Duration::from_secs_f64(seconds / f64::from(per_batch));
    let ratios = sorted(pairs.iter().map(|(a, b)| b / a));
    Comparison {
        a: per_operation(quantile(&sorted(pairs.iter().map(|(a, _)| *a)), 0.5)),
        b: per_operation(quantile(&sorted(pairs.iter().map(|(_, b)| *b)), 0.5)),
        ratio: [0.25, 0.5, 0.75].map(|share| quantile(&ratios, share)),
        added_nanos: quantile(
            &sorted(
                pairs
                    .iter()
                    .map(|(a, b)| (b - a) * 1e9 / f64::from(per_batch)),
            ),
            0.5,
        ),
        allocations,
    }
}

fn allocated(operations: u32, run: &mut impl FnMut(u32)) -> f64 {
    let info = allocation_counter::measure(|| run(operations));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 allocations")]
    let count = info.count_total as f64;
    count / f64::from(operations)
}

fn seconds(operations: u32, run: &mut impl FnMut(u32)) -> f64 {
    let began = Instant::now();
    run(operations);
    began.elapsed().as_secs_f64()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an index is a rounded share of a length"
    )]
    let index = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[index]
}
