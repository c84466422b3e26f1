//! The code that all contenders share: the operations in [`contender!`], and the loop that runs and measures them.
//!
//! Each contender is a separate program. Its arguments are the URL of a database and the [surroundings](Surroundings) of
//! the operations. It answers each [`Request`] from its standard input with a line of numbers.

mod call_sites;
mod operations;
mod request;

use std::io::Write as _;
use std::thread;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

pub use request::{Measure, Request, Surroundings};

#[doc(hidden)]
pub mod __private {
    pub use futures;
    pub use tokio;
}

/// The names of the operations that are measured.
///
/// Each runs in one tracked function, a root scope: so `SELECT $1, connection` is the first call of its site there, and 99
/// of `SELECT $1, 100 times` are further calls with other arguments.
pub const OPERATIONS: [&str; 16] = [
    "empty function",
    "SELECT 1, &pool",
    "SELECT 1, connection",
    "SELECT $1, connection",
    "SELECT $1, 100 times",
    "SELECT 1, transaction",
    "INSERT, &pool",
    "INSERT, connection",
    "INSERT, transaction",
    "1000 rows, fetch_all",
    "1000 rows, query_as",
    "1000 rows, stream",
    "1000 rows, query_as stream",
    "acquire and release",
    "begin and commit",
    "begin, INSERT, commit",
];

/// A contender, connected to a database.
pub trait Operations: Send {
    /// Prepares one of [`OPERATIONS`], and runs it `times` times within `measured`.
    fn batch(&mut self, operation: &str, times: u32, measured: Measured<'_>);
}

/// Runs a closure once, and measures it.
pub type Measured<'a> = &'a mut dyn FnMut(&mut dyn FnMut());

/// Answers requests until the standard input ends. `open` creates the contender for the thread with the given number.
///
/// # Panics
///
/// Panics if the input is not a request, or if an operation fails.
pub fn serve<O: Operations>(open: impl Fn(&str, &Surroundings, usize) -> O) {
    let (url, surroundings) = request::arguments();
    let mut contenders: Vec<O> = (0..surroundings.threads as usize)
        .map(|thread| open(&url, &surroundings, thread))
        .collect();
    println!("ready");
    for line in std::io::stdin().lines() {
        let request: Request = line
            .expect("the benchmark writes text")
            .parse()
            .expect("the benchmark writes requests");
        let [first, second, third] = answer(&request, &mut contenders);
        println!("{first} {second} {third}");
        std::io::stdout().flush().expect("the benchmark reads");
    }
    // Connections cannot be dropped outside their runtime.
    std::process::exit(0);
}

fn answer<O: Operations>(request: &Request, contenders: &mut [O]) -> [u64; 3] {
    let mut numbers = [0; 3];
    let run = |measured: Measured<'_>| match contenders {
        [only] => only.batch(&request.operation, request.times, measured),
        several => measured(&mut || {
            thread::scope(|scope| {
                for contender in &mut *several {
                    scope.spawn(|| {
                        contender.batch(&request.operation, request.times, &mut |batch| batch());
                    });
                }
            });
        }),
    };
    match request.measure {
        Measure::Time => run(&mut |batch| numbers = time(batch)),
        Measure::Allocations => run(&mut |batch| {
            let counted = allocation_counter::measure(batch);
            numbers = [counted.count_total, counted.bytes_total, 0];
        }),
        Measure::Instructions => run(&mut |batch| counted_batch(batch)),
    }
    numbers
}

/// Returns the nanoseconds of wall-clock time, those of processor time of all threads of this process, and how often
/// one of these threads has gone to sleep.
fn time(batch: &mut dyn FnMut()) -> [u64; 3] {
    let slept = times_slept();
    let (began, used) = (Instant::now(), processor_time());
    batch();
    let (elapsed, used) = (began.elapsed(), processor_time() - used);
    [
        u64::try_from(elapsed.as_nanos()).expect("a batch is short"),
        used,
        times_slept() - slept,
    ]
}

fn processor_time() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("there is such a clock");
    u64::try_from(time.tv_sec() * 1_000_000_000 + time.tv_nsec()).expect("time is positive")
}

/// The number of voluntary context switches. A thread that has gone to sleep is woken again.
fn times_slept() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("every process has a usage");
    u64::try_from(usage.voluntary_context_switches()).expect("a count is positive")
}

/// Callgrind counts what runs in a function of this name.
#[inline(never)]
fn counted_batch(batch: &mut dyn FnMut()) {
    batch();
}
