//! What many samples say: their median, and how sure it is.

/// A median and the interval that contains the true one in 95 of 100 runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Median {
    pub(crate) low: f64,
    pub(crate) value: f64,
    pub(crate) high: f64,
}

impl Median {
    /// Of samples of whose distribution nothing is known: the interval's ends are samples, by rank.
    ///
    /// # Panics
    ///
    /// Without a sample.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        let last = samples.len() - 1;
        // Samples below the median are binomial: n/2, give or take 1.96 · √n/2.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(samples: impl IntoIterator<Item = u32>, [low, value, high]: [f64; 3]) {
        let expected = Median { low, value, high };
        assert_eq!(Median::of(samples.into_iter().map(f64::from)), expected);
    }

    #[test]
    fn one_sample_is_all_there_is() {
        check([7], [7.0, 7.0, 7.0]);
    }

    #[test]
    fn two_samples_meet_in_the_middle() {
        check([9, 4], [4.0, 6.5, 9.0]);
    }

    #[test]
    fn of_a_hundred_and_one_ten_ranks_to_each_side() {
        check((0..101).rev(), [40.0, 50.0, 60.0]);
    }
}
