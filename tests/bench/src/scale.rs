//! Measures whether the cost of an operation depends on how much else is tracked.

use std::error::Error;

use leash_contender::{Measure, Surroundings};

use crate::contenders::{Contender, ON, ON_SITES, PLAIN, PLAIN_SITES, Running};
use crate::cost::time;
use crate::databases::SQLITE;
use crate::machine;
use crate::paired::{self, Effort, ratio};
use crate::statistics::Median;

/// A series of growing surroundings, smallest first, and the contenders that run in them.
struct Growth {
    what: &'static str,
    contenders: [Contender; 2],
    steps: Vec<(String, Surroundings)>,
    operations: &'static [&'static str],
    /// Whether the contenders run on one processor.
    pinned: bool,
}

/// Runs each operation in growing surroundings, and prints its cost relative to that in the smallest ones.
pub(crate) fn compare(effort: Effort, largest: u32) -> Result<(), Box<dyn Error>> {
    for growth in growths(largest) {
        let runner = if growth.pinned {
            machine::pinned()
        } else {
            machine::steady()
        };
        println!("\n{}; SQLite in memory; {}", growth.what, runner.describe());
        let mut running: Vec<Running> = Vec::new();
        for contender in &growth.contenders {
            for (_, surroundings) in &growth.steps {
                running.push(contender.start(&runner.words, SQLITE, surroundings)?);
            }
        }
        for operation in growth.operations {
            measure(&growth, &mut running, operation, effort)?;
        }
    }
    Ok(())
}

fn measure(
    growth: &Growth,
    running: &mut [Running],
    operation: &str,
    effort: Effort,
) -> Result<(), Box<dyn Error>> {
    // Every batch must run every call site.
    let most_sites = growth
        .steps
        .iter()
        .map(|(_, surroundings)| surroundings.sites)
        .max();
    let times =
        paired::calibrate(&mut running[0], operation, effort.batch)?.max(most_sites.unwrap_or(1));
    for contender in &mut *running {
        contender.run(Measure::Time, times, operation)?;
    }
    let mut turns: Vec<&mut Running> = running.iter_mut().collect();
    let rounds = effort.starts * effort.rounds;
    let samples = paired::run(&mut turns, operation, times, rounds)?;
    println!(
        "\n{operation:<24} {:>12} {:>24} {:>12} {:>24}",
        "plain", "by its first (95 %)", "on", "by its first (95 %)"
    );
    for (step, (name, surroundings)) in growth.steps.iter().enumerate() {
        print!("  {name:<22}");
        for contender in 0..growth.contenders.len() {
            let first = &samples[contender * growth.steps.len()];
            let own = &samples[contender * growth.steps.len() + step];
            let threads = f64::from(surroundings.threads);
            let cpu = Median::of(own.cpu.iter().map(|cpu| cpu / threads)).value;
            let Median { low, value, high } = ratio(&first.cpu, &own.cpu);
            let [low, value, high] = [low, value, high].map(|ratio| ratio / threads);
            print!(
                " {:>12} {:>24}",
                time(cpu),
                format!("{value:.3} ({low:.3} to {high:.3})")
            );
        }
        println!();
    }
    Ok(())
}

fn growths(largest: u32) -> [Growth; 3] {
    let alone = Surroundings::default();
    let steps = |numbers: &[u32], step: &dyn Fn(u32) -> (String, Surroundings)| {
        numbers
            .iter()
            .filter(|number| **number <= largest)
            .map(|number| step(*number))
            .collect::<Vec<_>>()
    };
    let held = |held| (format!("{held} held"), Surroundings { held, ..alone });
    let waiting = |waiting| {
        (
            format!("{waiting} waiting"),
            Surroundings { waiting, ..alone },
        )
    };
    let sites = |sites| {
        (
            format!("{sites} sites and texts"),
            Surroundings { sites, ..alone },
        )
    };
    let one_site = |threads| {
        (
            format!("{threads} threads, 1 site"),
            Surroundings { threads, ..alone },
        )
    };
    let own_site = |threads| {
        (
            format!("{threads} threads, {threads} sites"),
            Surroundings {
                threads,
                sites: threads,
                ..alone
            },
        )
    };
    [
        Growth {
            what: "live handles",
            contenders: [PLAIN, ON],
            steps: [
                steps(&[0, 10, 1_000], &held),
                steps(&[10, 1_000, 100_000], &waiting),
            ]
            .concat(),
            operations: &[
                "SELECT 1, &pool",
                "SELECT 1, connection",
                "acquire and release",
                "begin and commit",
            ],
            pinned: true,
        },
        Growth {
            what: "call sites and texts",
            contenders: [PLAIN_SITES, ON_SITES],
            steps: steps(&[1, 10, 100, 1_000, 10_000], &sites),
            operations: &["SELECT 1, &pool"],
            pinned: true,
        },
        Growth {
            what: "threads",
            contenders: [PLAIN_SITES, ON_SITES],
            steps: [
                steps(&[1, 2, 4, 8], &one_site),
                steps(&[2, 4, 8], &own_site),
            ]
            .concat(),
            operations: &["SELECT 1, &pool"],
            pinned: false,
        },
    ]
}
