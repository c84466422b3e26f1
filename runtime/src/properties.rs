//! Property tests with a fixed number of cases, which are the same in every run.

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Checks this number of values. A value that fails is shrunk and printed. `PROPTEST_RNG_SEED` selects other values.
#[track_caller]
pub(crate) fn holds<S: Strategy<Value: Debug>>(cases: u32, values: &S, check: impl Fn(&S::Value)) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        rng_seed: match Config::default().rng_seed {
            RngSeed::Random => RngSeed::Fixed(4393),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        ..Config::default()
    });
    let ran = runner.run(values, |value| {
        check(&value);
        Ok(())
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
}
