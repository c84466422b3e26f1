//! The median of samples, with its confidence interval.

/// A median, and the interval that contains the true median in 95 of 100 runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Median {
    pub(crate) low: f64,
    pub(crate) value: f64,
    pub(crate) high: f64,
}

impl Median {
    /// The median of samples with an unknown distribution. The ends of the interval are samples, chosen by rank.
    ///
    /// # Panics
    ///
    /// Panics if there is no sample.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        let last = samples.len() - 1;
        // The number of samples below the true median has a binomial distribution: n/2 ± 1.96 · √n/2.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a rank is a small whole number"
        )]
        let reach = (0.98 * (samples.len() as f64).sqrt()).ceil() as usize;
        Self {
            low: samples[(last / 2).saturating_sub(reach)],
            value: f64::midpoint(samples[last / 2], samples[last.div_ceil(2)]),
            high: samples[(last.div_ceil(2) + reach).min(last)],
        }
    }
}

/// The median alone.
pub(crate) fn median(samples: &[f64]) -> f64 {
    Median::of(samples.iter().copied()).value
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(samples: impl IntoIterator<Item = u32>, [low, value, high]: [f64; 3]) {
        let expected = Median { low, value, high };
        assert_eq!(Median::of(samples.into_iter().map(f64::from)), expected);
    }

    #[test]
    fn one_sample_is_the_median_and_the_interval() {
        check([7], [7.0, 7.0, 7.0]);
    }

    #[test]
    fn the_median_of_two_samples_is_their_mean() {
        check([9, 4], [4.0, 6.5, 9.0]);
    }

    #[test]
    fn the_interval_of_101_samples_reaches_ten_ranks_to_each_side() {
        check((0..101).rev(), [40.0, 50.0, 60.0]);
    }
}
