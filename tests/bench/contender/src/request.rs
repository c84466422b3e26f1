//! What the benchmark sends to a contender: its arguments, and its requests.

use std::fmt;
use std::str::FromStr;

/// What a batch measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Nanoseconds of wall-clock time and of processor time, and the number of wake-ups.
    Time,
    /// The number and the bytes of the allocations of the thread that runs the batch.
    Allocations,
    /// Nothing. The contender runs in callgrind, which counts.
    Instructions,
}

impl Measure {
    const NAMES: [(Self, &str); 3] = [
        (Self::Time, "time"),
        (Self::Allocations, "allocations"),
        (Self::Instructions, "instructions"),
    ];
}

/// A request for one batch: `time 1000 SELECT 1, &pool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to measure.
    pub measure: Measure,
    /// The number of operations in the batch.
    pub times: u32,
    /// The name of the operation in [`OPERATIONS`](crate::OPERATIONS).
    pub operation: String,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = Measure::NAMES
            .into_iter()
            .find(|(measure, _)| *measure == self.measure)
            .expect("BUG: every measure has a name");
        write!(f, "{name} {} {}", self.times, self.operation)
    }
}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.splitn(3, ' ');
        let mut word = || {
            words
                .next()
                .ok_or_else(|| format!("`{line}` is no request"))
        };
        let name = word()?;
        let (measure, _) = Measure::NAMES
            .into_iter()
            .find(|(_, known)| *known == name)
            .ok_or_else(|| format!("`{name}` is no measure"))?;
        let times = word()?;
        Ok(Self {
            measure,
            times: times
                .parse()
                .map_err(|_| format!("`{times}` is no number"))?,
            operation: word()?.to_owned(),
        })
    }
}

/// What exists while the operations are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The number of connections of another pool that are held.
    pub held: u32,
    /// The number of tasks that wait for a connection of another pool.
    pub waiting: u32,
    /// The number of threads that run the operations concurrently, each on its own pool.
    pub threads: u32,
    /// The number of pairs of a call site and a text, for a contender that has several.
    pub sites: u32,
    /// `min_connections` of the pool on which the operations run: 0 or 1.
    pub minimum: u32,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            held: 0,
            waiting: 0,
            threads: 1,
            sites: 1,
            minimum: 0,
        }
    }
}

impl Surroundings {
    /// The arguments for a contender.
    pub fn arguments(&self) -> [String; 5] {
        [
            self.held,
            self.waiting,
            self.threads,
            self.sites,
            self.minimum,
        ]
        .map(|number| number.to_string())
    }
}

/// Reads the arguments of this program: the URL and the surroundings.
pub(crate) fn arguments() -> (String, Surroundings) {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().expect("the benchmark gives a URL");
    let mut number = || {
        let number = arguments.next().expect("the benchmark gives five numbers");
        number.parse().expect("the benchmark gives numbers")
    };
    let surroundings = Surroundings {
        held: number(),
        waiting: number(),
        threads: number(),
        sites: number(),
        minimum: number(),
    };
    (url, surroundings)
}
