//! Measures what tracking costs, compared with plain sqlx and with other wrappers: `cargo run --release -p
//! leash-bench`.
//!
//! There are four parts: `cost` measures each operation, `scale` measures operations while much else is tracked,
//! `compile` measures compile time, and [`crates`] that of real crates. The arguments name the parts to run; without one,
//! the first three run. `--quick` runs fewer rounds. `--smoke` runs a few operations of each part, to check that they
//! work.

mod compile;
mod contenders;
mod cost;
mod crates;
mod databases;
mod instructions;
mod machine;
mod paired;
mod scale;
mod source;
mod statistics;
mod summary;

use std::error::Error;

use compile::Amount;
use paired::Effort;

/// The names of the parts.
const PARTS: [&str; 3] = ["cost", "scale", "compile"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(crates) = arguments.iter().position(|argument| argument == "crates") {
        let folders = arguments.split_off(crates + 1);
        let (folders, of_cargo) = before_and_after("--", &folders);
        return crates::compare(folders, of_cargo, Amount::FULL);
    }
    let (options, named): (Vec<&str>, Vec<&str>) = arguments
        .iter()
        .map(String::as_str)
        .partition(|argument| argument.starts_with("--"));
    let (effort, amount, largest) = match options[..] {
        [] => (Effort::FULL, Amount::FULL, u32::MAX),
        ["--quick"] => (Effort::QUICK, Amount::FULL, u32::MAX),
        ["--smoke"] => (Effort::SMOKE, Amount::SMOKE, 10),
        _ => return Err(format!("{options:?} is none of --quick, --smoke").into()),
    };
    if let Some(unknown) = named.iter().find(|name| !PARTS.contains(name)) {
        return Err(format!("`{unknown}` is none of {}", PARTS.join(", ")).into());
    }
    let wanted = |name| named.is_empty() || named.contains(&name);

    if wanted("cost") || wanted("scale") {
        contenders::build()?;
    }
    if wanted("cost") {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        for database in &databases::all(&runtime) {
            cost::compare(database, effort)?;
        }
    }
    if wanted("scale") {
        scale::compare(effort, largest)?;
    }
    if wanted("compile") {
        compile::compare(amount)?;
        crates::compare(&[compile::tracked()?], &[], amount)?;
    }
    Ok(())
}

fn before_and_after<'a>(separator: &str, words: &'a [String]) -> (&'a [String], &'a [String]) {
    match words.iter().position(|word| word == separator) {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (words, &[]),
    }
}
