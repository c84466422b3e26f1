//! Measures what tracking costs, compared with plain sqlx and with other wrappers: `cargo run --release -p
//! leash-bench`.
//!
//! There are three parts: `cost` measures each operation, `scale` measures operations while much else is tracked, and
//! `compile` measures compile time. The arguments name the parts to run; without one, all three run. `--quick` runs
//! fewer rounds. `--smoke` runs a few operations of each part, to check that they work.

mod compile;
mod contenders;
mod cost;
mod databases;
mod instructions;
mod machine;
mod paired;
mod scale;
mod statistics;

use std::error::Error;

use compile::Amount;
use paired::Effort;

/// The names of the parts.
const PARTS: [&str; 3] = ["cost", "scale", "compile"];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
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

    if wanted("cost") {
        contenders::build(&contenders::ALL)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        for database in &databases::all(&runtime) {
            cost::compare(database, effort)?;
        }
    }
    if wanted("scale") {
        contenders::build(&scale::CONTENDERS)?;
        scale::compare(effort, largest)?;
    }
    if wanted("compile") {
        compile::compare(amount)?;
    }
    Ok(())
}
