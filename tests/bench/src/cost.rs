//! Measures what each operation costs: what a contender adds to the one with which it is compared.
//!
//! # Why the figures can be trusted
//!
//! Each contender is a program of its own. In one program, what runs beside the operations would be paid by whoever is
//! measured at that moment: the tracker's thread, the threads of SQLite, an exporter. A subscriber would be that of all
//! contenders, and `track` would be on for all. Apart from that they are the same code: what can share a build of sqlx
//! does (`contenders::build`). Its features unite there, and so plain sqlx and what is built on it have the same ones.
//!
//! But a program's times depend on where its code and data lie in memory, which is decided when it starts, and this
//! can shift them by as much as is measured here. So all programs are started several times. After each start every
//! operation runs in several rounds, in which the contenders take turns in an order that is shuffled anew. The
//! median of a start's rounds is one sample; the tables show the median of these samples, with an interval that contains
//! the true one in 95 of 100 runs. `A/A` is plain sqlx once more: it shows how large a difference is none. What no start
//! changes is where the compiler has put a loop: two programs with the same instructions can differ by some percent there.
//!
//! Allocations and instructions are those of the thread that runs the operations, and so without what SQLite's thread
//! logs. Times and wake-ups are those of all threads of the program; a wake-up is a voluntary context switch.

use std::error::Error;

use leash_contender::{Measure, OPERATIONS, Surroundings};

use crate::contenders::{ALL, Contender, Running, WITHOUT_MINIMUM};
use crate::machine;
use crate::paired::{self, Effort, Samples, added, each, ratio};
use crate::statistics::{Median, mean, median};
use crate::summary::{self, OfPools};
use crate::{databases::Database, instructions};

/// The figures of one contender and operation.
pub(crate) struct Cost {
    pub(crate) name: &'static str,
    /// Whether others are compared with it. Its figures are then totals and not differences.
    pub(crate) is_base: bool,
    /// Nanoseconds, always in total.
    wall: f64,
    ratio: Median,
    /// Nanoseconds.
    pub(crate) cpu: Median,
    pub(crate) wakeups: f64,
    pub(crate) allocations: f64,
    bytes: f64,
    pub(crate) instructions: Option<f64>,
}

/// Runs the contenders on each kind of pool of the database, and prints what each operation costs.
pub(crate) fn compare(database: &Database, effort: Effort) -> Result<(), Box<dyn Error>> {
    let pools: Vec<OfPools> = (effort.minimums.iter())
        .map(|minimum| on_pools(database, *minimum, effort))
        .collect::<Result<_, _>>()?;
    summary::print(database.name, &pools);
    Ok(())
}

/// Runs the contenders on pools of the database that have that minimum of connections, and prints what each operation
/// costs.
fn on_pools(database: &Database, minimum: u32, effort: Effort) -> Result<OfPools, Box<dyn Error>> {
    let runner = machine::pinned();
    println!(
        "\n{}, min_connections({minimum}); {}",
        database.name,
        runner.describe()
    );
    let surroundings = Surroundings {
        minimum,
        ..Surroundings::default()
    };
    let further = WITHOUT_MINIMUM.iter().filter(|_| minimum == 0);
    let contenders: Vec<Contender> = (ALL.iter().chain(further))
        .filter(|contender| contender.serves(&database.url))
        .copied()
        .collect();
    let mut measured = OPERATIONS.map(|operation| Measured::new(operation, &contenders));
    if instructions::can_be_counted() {
        for contender in &contenders {
            let batch = effort.counted_batch;
            let counts = instructions::count(contender, &database.url, &surroundings, batch)?;
            for (operation, count) in measured.iter_mut().zip(counts) {
                operation.instructions.extend(count);
            }
        }
    } else {
        println!("valgrind is not installed: no instructions");
    }
    for _ in 0..effort.starts {
        let mut running: Vec<Running> = contenders
            .iter()
            .map(|contender| contender.start(&runner.words, &database.url, &surroundings))
            .collect::<Result<_, _>>()?;
        for operation in &mut measured {
            operation.run(&mut running, effort)?;
        }
    }
    let costs: Vec<(&str, Vec<Cost>)> = measured.iter().map(Measured::costs).collect();
    for (operation, costs) in &costs {
        print(operation, costs);
    }
    Ok(OfPools { minimum, costs })
}

/// What was measured of one operation. Each list has an entry for each contender that offers it.
struct Measured {
    operation: &'static str,
    contenders: Vec<Contender>,
    /// Empty where they are not counted.
    instructions: Vec<f64>,
    /// The number of operations in a batch. `None` before the first one.
    times: Option<u32>,
    /// The number of allocations and of their bytes in one batch.
    allocated: Vec<[u64; 3]>,
    /// The samples after each start.
    starts: Vec<Vec<Samples>>,
}

impl Measured {
    fn new(operation: &'static str, contenders: &[Contender]) -> Self {
        Self {
            operation,
            contenders: (contenders.iter())
                .filter(|contender| contender.offers(operation))
                .copied()
                .collect(),
            instructions: Vec::new(),
            times: None,
            allocated: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// Measures the rounds of one start. `running` are all contenders.
    fn run(&mut self, running: &mut [Running], effort: Effort) -> Result<(), Box<dyn Error>> {
        let Self { operation, .. } = self;
        let mut running: Vec<&mut Running> = (running.iter_mut())
            .filter(|running| running.contender.offers(operation))
            .collect();
        let times = match self.times {
            Some(times) => times,
            None => paired::calibrate(running[0], operation, effort.batch)?,
        };
        self.times = Some(times);
        for contender in &mut running {
            // This batch fills caches and creates tallies. The next one allocates what every further batch allocates.
            contender.run(Measure::Time, times, operation)?;
        }
        if self.allocated.is_empty() {
            for contender in &mut running {
                let allocated = contender.run(Measure::Allocations, times, operation)?;
                self.allocated.push(allocated);
            }
        }
        self.starts
            .push(paired::run(&mut running, operation, times, effort.rounds)?);
        Ok(())
    }

    fn costs(&self) -> (&'static str, Vec<Cost>) {
        let costs = (0..self.contenders.len()).map(|own| self.cost(own));
        (self.operation, costs.collect())
    }

    fn cost(&self, own: usize) -> Cost {
        let Contender { name, against, .. } = self.contenders[own];
        let base = (self.contenders.iter())
            .position(|other| other.name == against)
            .expect("BUG: a contender is compared with one of them");
        let is_base = own == base;
        let beyond_base = |of: &dyn Fn(usize) -> f64| {
            if is_base { of(own) } else { of(own) - of(base) }
        };
        let by_start = |of: &dyn Fn(&Samples, &Samples) -> f64| {
            Median::of(
                self.starts
                    .iter()
                    .map(|start| of(&start[base], &start[own])),
            )
        };
        let times = self.times.unwrap_or(1);
        Cost {
            name,
            is_base,
            wall: by_start(&|_, own| median(&own.wall)).value,
            ratio: by_start(&|base, own| ratio(&base.wall, &own.wall).value),
            cpu: by_start(&|base, own| {
                if is_base {
                    median(&own.cpu)
                } else {
                    added(&base.cpu, &own.cpu).value
                }
            }),
            wakeups: by_start(&|base, own| {
                let of_base = if is_base { 0.0 } else { mean(&base.wakeups) };
                mean(&own.wakeups) - of_base
            })
            .value,
            allocations: beyond_base(&|of| each(self.allocated[of][0], times)),
            bytes: beyond_base(&|of| each(self.allocated[of][1], times)),
            instructions: (!self.instructions.is_empty())
                .then(|| beyond_base(&|of| self.instructions[of])),
        }
    }
}

fn print(operation: &str, costs: &[Cost]) {
    println!(
        "\n{operation:<26} {:>10} {:>22} {:>28} {:>12} {:>10} {:>13} {:>10}",
        "time",
        "ratio (95 %)",
        "CPU time added (95 %)",
        "allocations",
        "bytes",
        "instructions",
        "wake-ups"
    );
    for cost in costs {
        let Cost {
            name,
            is_base,
            ratio,
            cpu,
            ..
        } = cost;
        let [ratio, cpu] = if *is_base {
            [String::new(), format!("{:.0} ns in total", cpu.value)]
        } else {
            [
                format!("{:.3} ({:.3} to {:.3})", ratio.value, ratio.low, ratio.high),
                format!("{:+.0} ns ({:+.0} to {:+.0})", cpu.value, cpu.low, cpu.high),
            ]
        };
        let number = |value, digits| signed(value, digits, !is_base);
        let instructions = match cost.instructions {
            Some(count) => number(count, 0),
            None => "not counted".to_owned(),
        };
        println!(
            "  {name:<24} {:>10} {ratio:>22} {cpu:>28} {:>12} {:>10} {instructions:>13} {:>10}",
            time(cost.wall),
            number(cost.allocations, 2),
            number(cost.bytes, 0),
            number(cost.wakeups, 2),
        );
    }
}

/// A number with that many digits after the point, and with its sign where it is a difference.
pub(crate) fn signed(value: f64, digits: usize, is_difference: bool) -> String {
    if is_difference {
        format!("{value:+.digits$}")
    } else {
        format!("{value:.digits$}")
    }
}

/// A time with a unit that suits its size.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1_000.0 => format!("{ns:.1} ns"),
        ns if ns < 1_000_000.0 => format!("{:.2} µs", ns / 1_000.0),
        ns => format!("{:.2} ms", ns / 1_000_000.0),
    }
}
