//! What the driver tells a contender.

use std::fmt;
use std::str::FromStr;

/// What a batch is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Nanoseconds by the clock, and of processor time.
    Time,
    /// Allocations of the thread that runs the batch: how many, and their bytes.
    Allocations,
    /// Nothing: callgrind, in which the contender runs, counts by itself.
    Instructions,
}

impl Measure {
    const NAMES: [(Self, &str); 3] = [
        (Self::Time, "time"),
        (Self::Allocations, "allocations"),
        (Self::Instructions, "instructions"),
    ];
}

/// One batch: `time 1000 SELECT 1, &pool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to measure.
    pub measure: Measure,
    /// How many operations the batch has.
    pub times: u32,
    /// Which, by its name in [`OPERATIONS`](crate::OPERATIONS).
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

/// What is there beside the operations that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Connections of another pool that are held.
    pub held: u32,
    /// Tasks that wait for a connection of another pool.
    pub waiting: u32,
    /// Threads that run the operations at once, each on a pool of its own.
    pub threads: u32,
    /// Pairs of call site and text that take turns, where a contender has several.
    pub sites: u32,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            held: 0,
            waiting: 0,
            threads: 1,
            sites: 1,
        }
    }
}

impl Surroundings {
    /// As the arguments of a contender.
    pub fn arguments(&self) -> [String; 4] {
        [self.held, self.waiting, self.threads, self.sites].map(|number| number.to_string())
    }
}

/// The URL, and the surroundings.
pub(crate) fn arguments() -> (String, Surroundings) {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().expect("the driver gives a URL");
    let mut number = || {
        let number = arguments.next().expect("the driver gives four numbers");
        number.parse().expect("the driver gives numbers")
    };
    let surroundings = Surroundings {
        held: number(),
        waiting: number(),
        threads: number(),
        sites: number(),
    };
    (url, surroundings)
}
