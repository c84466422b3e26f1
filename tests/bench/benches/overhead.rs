//! Plain sqlx against sqlx-leash with tracking on and nothing listening: `cargo bench -p leash-bench`.
//!
//! Without `--bench` (as `cargo test --benches` runs it) a few operations of each, to see that they work.

use leash_bench::contender;
use leash_bench::paired::{Comparison, compare};

contender!(untracked, plain);
contender!(leashed, tracked, #[tracked::track(crate = tracked)]);

fn main() {
    let smoke = !std::env::args().any(|arg| arg == "--bench");
    let (a, b) = (untracked::Contender::new(), leashed::Contender::new());
    println!(
        "SQLite in memory, one connection, current-thread runtime; per operation, medians of paired batches"
    );
    println!(
        "{:<24} {:>11} {:>11} {:>7} {:>15} {:>10} {:>8} {:>8}",
        "operation", "plain", "on", "ratio", "(quartiles)", "added", "allocs", "allocs on"
    );
    macro_rules! row {
        ($operation:ident, $name:literal, $per_batch:literal) => {
            let (batches, per_batch) = if smoke { (2, 2) } else { (101, $per_batch) };
            show(
                $name,
                compare(batches, per_batch, |n| a.$operation(n), |n| b.$operation(n)),
            );
        };
    }
    row!(empty, "empty function", 100_000);
    row!(select_by_pool, "SELECT 1, &pool", 2_000);
    row!(select_on_connection, "SELECT 1, connection", 2_000);
    row!(select_in_transaction, "SELECT 1, transaction", 2_000);
    row!(fetch_all, "1000 rows, fetch_all", 20);
    row!(stream, "1000 rows, stream", 20);
    row!(acquire, "acquire and release", 5_000);
    row!(begin_and_commit, "begin and commit", 1_000);
}

fn show(name: &str, comparison: Comparison) {
    let Comparison {
        a,
        b,
        ratio: [low, median, high],
        added_nanos,
        allocations: [allocated_a, allocated_b],
    } = comparison;
    let quartiles = format!("({low:.3}-{high:.3})");
    println!(
        "{name:<24} {a:>11.2?} {b:>11.2?} {median:>7.3} {quartiles:>15} {added_nanos:>7.0} ns {allocated_a:>8.2} {allocated_b:>8.2}"
    );
}
