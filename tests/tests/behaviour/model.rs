//! Random programs of handles and scopes, run against the crate and against a plain model of it.
//!
//! After every step the live map, the pool's counters, the sums of all call sites and the number of findings must equal
//! those of the model. A program that differs is shrunk to a small one and printed.

mod expected;
mod program;
mod run;

use leash_tests::in_child;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// In its own process, so that every call site belongs to the program. A leak is reported there without a panic.
#[test]
fn programs_do_what_the_model_says() {
    let variables = [("SQLX_LEASH", "all=allow,outlived_scope=warn")];
    let _ = in_child(
        "model::programs_do_what_the_model_says",
        &variables,
        |runtime| {
            let mut runner = TestRunner::new(Config {
                cases: 256,
                max_shrink_iters: 2_000,
                failure_persistence: None,
                // The same programs in every run, unless `PROPTEST_RNG_SEED` asks for others.
                rng_seed: match Config::default().rng_seed {
                    RngSeed::Random => RngSeed::Fixed(4393),
                    fixed @ RngSeed::Fixed(_) => fixed,
                },
                ..Config::default()
            });
            let ran = runner.run(&program::programs(), |program| {
                runtime
                    .block_on(run::program(&program))
                    .map_err(TestCaseError::fail)
            });
            ran.unwrap_or_else(|failure| panic!("{failure}"));
        },
    );
}
