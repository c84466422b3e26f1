//! Measures what each operation costs: what a contender adds to the one with which it is compared.

use std::error::Error;

use leash_contender::{Measure, OPERATIONS, Surroundings};

use crate::contenders::{ALL, Running};
use crate::machine;
use crate::paired::{self, Effort, Samples, added, each, ratio};
use crate::statistics::Median;
use crate::{databases::Database, instructions};

/// The figures of one contender and operation.
struct Cost {
    name: &'static str,
    /// Whether others are compared with it. Its figures are then totals and not differences.
    is_base: bool,
    wall: f64,
    ratio: Median,
    added_cpu: Median,
    allocations: f64,
    bytes: f64,
    instructions: Option<f64>,
}

impl Cost {
    fn in_short(&self) -> String {
        if self.is_base {
            format!("{} {:.1}", time(self.wall), self.allocations)
        } else {
            format!("{:+.0} {:+.1}", self.added_cpu.value, self.allocations)
        }
    }
}

/// Runs all contenders on the database, and prints what each operation costs.
pub(crate) fn compare(database: &Database, effort: Effort) -> Result<(), Box<dyn Error>> {
    let runner = machine::pinned();
    println!("\n{}; {}", database.name, runner.describe());
    let counted: Vec<Option<Vec<f64>>> = if instructions::can_be_counted() {
        let count = |contender| {
            instructions::count(contender, &database.url, effort.counted_batch).map(Some)
        };
        ALL.iter().map(count).collect::<Result<_, _>>()?
    } else {
        println!("valgrind is not installed: no instructions");
        ALL.iter().map(|_| None).collect()
    };
    let mut running: Vec<Running> = ALL
        .iter()
        .map(|contender| contender.start(&runner.words, &database.url, &Surroundings::default()))
        .collect::<Result<_, _>>()?;
    let mut summary = Vec::new();
    for (index, operation) in OPERATIONS.into_iter().enumerate() {
        let times = paired::calibrate(&mut running[0], operation, effort.batch)?;
        let mut allocated = Vec::new();
        for contender in &mut running {
            // This batch fills caches and creates tallies. The next one allocates what every further batch allocates.
            contender.run(Measure::Time, times, operation)?;
            allocated.push(contender.run(Measure::Allocations, times, operation)?);
        }
        let samples = paired::run(&mut running, operation, times, effort.rounds)?;
        let instructions: Vec<Option<f64>> = counted
            .iter()
            .map(|of| of.as_ref().map(|of| of[index]))
            .collect();
        let costs = costs(&samples, &allocated, times, &instructions);
        print(operation, &costs);
        summary.push((operation, costs));
    }
    summarise(&summary);
    Ok(())
}

fn costs(
    samples: &[Samples],
    allocated: &[[u64; 2]],
    times: u32,
    instructions: &[Option<f64>],
) -> Vec<Cost> {
    let base = |contender: usize| {
        ALL.iter()
            .position(|other| other.name == ALL[contender].against)
            .expect("BUG: a contender is compared with one of them")
    };
    let difference = |of: &dyn Fn(usize) -> f64, own, base| {
        if own == base {
            of(own)
        } else {
            of(own) - of(base)
        }
    };
    (0..ALL.len())
        .map(|own| {
            let base = base(own);
            Cost {
                name: ALL[own].name,
                is_base: own == base,
                wall: Median::of(samples[own].wall.iter().copied()).value,
                ratio: ratio(&samples[base].wall, &samples[own].wall),
                added_cpu: added(&samples[base].cpu, &samples[own].cpu),
                allocations: difference(&|of| each(allocated[of][0], times), own, base),
                bytes: difference(&|of| each(allocated[of][1], times), own, base),
                instructions: instructions[own].zip(instructions[base]).map(
                    |(own_count, of_base)| {
                        if own == base {
                            own_count
                        } else {
                            own_count - of_base
                        }
                    },
                ),
            }
        })
        .collect()
}

fn print(operation: &str, costs: &[Cost]) {
    println!(
        "\n{operation:<22} {:>10} {:>22} {:>28} {:>12} {:>10} {:>13}",
        "time", "ratio (95 %)", "CPU time added (95 %)", "allocations", "bytes", "instructions"
    );
    for cost in costs {
        let Cost {
            wall,
            ratio,
            added_cpu,
            allocations,
            bytes,
            ..
        } = cost;
        let instructions = match cost.instructions {
            Some(total) if cost.is_base => format!("{total:.0}"),
            Some(added) => format!("{added:+.0}"),
            None => "not counted".to_owned(),
        };
        let name = cost.name;
        if cost.is_base {
            println!(
                "  {name:<20} {:>10} {:>22} {:>28} {allocations:>12.2} {bytes:>10.0} {instructions:>13}",
                time(*wall),
                "",
                ""
            );
        } else {
            let ratio = format!("{:.3} ({:.3} to {:.3})", ratio.value, ratio.low, ratio.high);
            let added = format!(
                "{:+.0} ns ({:+.0} to {:+.0})",
                added_cpu.value, added_cpu.low, added_cpu.high
            );
            println!(
                "  {name:<20} {:>10} {ratio:>22} {added:>28} {allocations:>+12.2} {bytes:>+10.0} {instructions:>13}",
                time(*wall)
            );
        }
    }
}

/// Prints a line for each operation: the CPU time and the allocations that each contender adds.
fn summarise(operations: &[(&str, Vec<Cost>)]) {
    let Some((_, first)) = operations.first() else {
        return;
    };
    let head = std::iter::once("CPU ns, allocations".to_owned())
        .chain(first.iter().map(|cost| cost.name.to_owned()))
        .collect();
    let rows = operations.iter().map(|(operation, costs)| {
        std::iter::once((*operation).to_owned())
            .chain(costs.iter().map(Cost::in_short))
            .collect()
    });
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    println!();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            let width = lines.iter().map(|line| line[column].chars().count()).max();
            let width = width.unwrap_or_default();
            if column == 0 {
                print!("{cell:<width$}");
            } else {
                print!("  {cell:>width$}");
            }
        }
        println!();
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
