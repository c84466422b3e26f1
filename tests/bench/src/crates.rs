//! Measures what `#[track]` costs at compile time in real crates, whose folders are given:
//!
//! ```sh
//! cargo run --release -p leash-bench -- crates FOLDER... [-- ARGUMENTS OF CARGO]
//! ```
//!
//! A folder has a package or a workspace that `cargo check` accepts, and in which everything is tracked:
//!
//! 1. Its dependency `sqlx` is `{ package = "sqlx-leash", path = "/…/runtime", features = ["track", …] }`, with an
//!    absolute path, and with the features that it has of sqlx.
//! 2. `#[sqlx::track]` stands on its functions. `README.md` has the command that writes it on each of them.
//! 3. The environment has what its `query!` needs: `SQLX_OFFLINE=true`, or a `DATABASE_URL`.
//!
//! The folder is copied twice, and the attributes are taken out of one copy. Both have the same dependencies, which are
//! built before. Then `cargo check` runs on both in turn: on everything that has the attribute, without incremental
//! compilation; and with it, after a line has been added to a function, in each round to another one.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::compile::{Amount, Took, cargo};
use crate::paired::ratio;
use crate::source;
use crate::statistics::{Median, median};

/// A copy of a folder.
struct Copied {
    home: PathBuf,
    /// The files in which something is tracked in the original, with their text.
    sources: Vec<(PathBuf, String)>,
}

/// Checks each crate without its attributes and with them, and prints the times.
pub(crate) fn compare(
    folders: &[String],
    arguments: &[String],
    amount: Amount,
) -> Result<(), Box<dyn Error>> {
    let target = amount.target()?;
    let words = std::iter::once(amount.command).chain(arguments.iter().map(String::as_str));
    let command: Vec<&str> = words.collect();
    for folder in folders {
        let home = tempfile::tempdir()?;
        let copy =
            |name, is_tracked| Copied::of(Path::new(folder), &home.path().join(name), is_tracked);
        let mut copies = [copy("untracked", false)?, copy("tracked", true)?];
        let functions = copies[0].functions();
        if functions.is_empty() {
            return Err(format!("{folder} has no function with #[sqlx::track]").into());
        }
        println!(
            "\n{}, {} functions: cargo {}",
            folder,
            functions.len(),
            command.join(" ")
        );
        println!(
            "  {:<22} {:>24} {:>24} {:>24} {:>24}",
            "",
            "untracked: time, CPU",
            "tracked: time, CPU",
            "ratio of time (95 %)",
            "of CPU (95 %)"
        );
        let rounds = amount.rounds;
        measure("everything", &mut copies, rounds, |copy, _| {
            copy.write()?;
            cargo(&command, &copy.home, &target, false)
        })?;
        measure(
            "one changed function",
            &mut copies,
            rounds,
            |copy, round| {
                // Cargo tells packages apart by the path in their workspace, and so the copies share what incremental
                // compilation keeps. This makes it that of this copy.
                copy.write()?;
                cargo(&command, &copy.home, &target, true)?;
                copy.change(functions[round * (functions.len() - 1) / rounds])?;
                cargo(&command, &copy.home, &target, true)
            },
        )?;
    }
    Ok(())
}

/// Runs the two in turn, and prints a line. The first round only builds what the others need.
fn measure(
    what: &str,
    copies: &mut [Copied; 2],
    rounds: usize,
    mut check: impl FnMut(&mut Copied, usize) -> Result<Took, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut wall = [Vec::new(), Vec::new()];
    let mut user = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for turn in 0..2 {
            let next = (turn + round) % 2;
            let took = check(&mut copies[next], round)?;
            if round > 0 {
                wall[next].push(took.wall);
                user[next].push(took.user);
            }
        }
    }
    let times = [0, 1].map(|of| format!("{:.2} s, {:.2} s", median(&wall[of]), median(&user[of])));
    let ratios = [&wall, &user].map(|[untracked, tracked]| {
        let Median { low, value, high } = ratio(untracked, tracked);
        format!("{value:.2} ({low:.2} to {high:.2})")
    });
    println!(
        "  {what:<22} {:>24} {:>24} {:>24} {:>24}",
        times[0], times[1], ratios[0], ratios[1]
    );
    Ok(())
}

impl Copied {
    /// Copies a folder.
    fn of(folder: &Path, home: &Path, is_tracked: bool) -> Result<Self, Box<dyn Error>> {
        let mut copied = Self {
            home: home.to_owned(),
            sources: Vec::new(),
        };
        copied.add(folder, home, is_tracked)?;
        copied.write()?;
        Ok(copied)
    }

    fn add(&mut self, from: &Path, to: &Path, is_tracked: bool) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (name, from) = (entry.file_name(), entry.path());
            let to = to.join(&name);
            if from.is_dir() {
                if name != "target" && name != ".git" && name != "node_modules" {
                    self.add(&from, &to, is_tracked)?;
                }
                continue;
            }
            fs::copy(&from, &to)?;
            if from.extension().is_some_and(|extension| extension == "rs") {
                let tracked = fs::read_to_string(&from)?;
                if let Some(untracked) = source::without_attributes(&tracked) {
                    let source = if is_tracked { tracked } else { untracked };
                    self.sources.push((to, source));
                }
            }
        }
        self.sources.sort();
        Ok(())
    }

    /// Writes the sources again, so that cargo checks their packages again.
    fn write(&self) -> Result<(), Box<dyn Error>> {
        for (path, source) in &self.sources {
            fs::write(path, source)?;
        }
        Ok(())
    }

    /// The functions that can be changed: the numbers of a source and of a function in it.
    fn functions(&self) -> Vec<[usize; 2]> {
        let of = |(file, (_, text)): (usize, &(PathBuf, String))| {
            (0..source::bodies(text).len()).map(move |function| [file, function])
        };
        self.sources.iter().enumerate().flat_map(of).collect()
    }

    /// Adds a line to a function.
    fn change(&mut self, [file, function]: [usize; 2]) -> Result<(), Box<dyn Error>> {
        let (path, source) = &mut self.sources[file];
        let body = source::bodies(source)[function];
        source.insert_str(body, "\n    let _ = 1;");
        Ok(fs::write(path, source)?)
    }
}
