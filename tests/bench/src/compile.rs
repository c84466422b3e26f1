//! Measures what tracking costs at compile time, on small generated crates, one for each way to use sqlx. The part
//! `crates` measures real ones.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::contenders::target_directory;
use crate::machine;
use crate::paired::ratio;
use crate::statistics::Median;

/// A crate of generated functions.
struct User {
    name: &'static str,
    dependency: String,
    /// The attribute of every impl block.
    attribute: &'static str,
}

/// The amount of code to build, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    functions: u32,
    pub(crate) rounds: usize,
    /// The command of cargo.
    pub(crate) command: &'static str,
    /// Whether to share the dependencies that were built for the contenders. If not, they are built separately, and
    /// clean builds are measured as well.
    beside_contenders: bool,
}

impl Amount {
    /// For figures to publish.
    pub(crate) const FULL: Self = Self {
        functions: 1_000,
        rounds: 7,
        command: "check",
        beside_contenders: false,
    };
    /// To check that everything works.
    pub(crate) const SMOKE: Self = Self {
        functions: 10,
        rounds: 1,
        command: "build",
        beside_contenders: true,
    };

    /// Where dependencies are built.
    pub(crate) fn target(&self) -> Result<PathBuf, Box<dyn Error>> {
        let target = target_directory()?;
        Ok(if self.beside_contenders {
            target
        } else {
            target.join("leash-bench/target")
        })
    }
}

/// The seconds that cargo took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    /// Wall-clock time.
    pub(crate) wall: f64,
    /// Processor time outside the kernel.
    pub(crate) user: f64,
}

/// Builds the crates, and prints the times.
pub(crate) fn compare(amount: Amount) -> Result<(), Box<dyn Error>> {
    let own = target_directory()?.join("leash-bench");
    let users = users();
    // This comes first, so that the clean builds download nothing.
    compare_rounds(&users, amount, &own)?;
    if !amount.beside_contenders {
        compare_clean(&users, &own)?;
    }
    Ok(())
}

/// The folder of the generated crate in which everything is tracked.
pub(crate) fn tracked() -> Result<String, Box<dyn Error>> {
    let home = target_directory()?.join("leash-bench/on");
    Ok(home.display().to_string())
}

/// Measures clean builds.
fn compare_clean(users: &[User], own: &Path) -> Result<(), Box<dyn Error>> {
    println!(
        "\n{:<22} {:>10} {:>10}",
        "clean, 20 functions", "time", "CPU time"
    );
    for user in users.iter().filter(|user| user.name != "on, no attribute") {
        let home = generate(user, 20, own)?;
        let target = own.join("clean");
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        let Took { wall, user: cpu } = cargo(&["build"], &home, &target, false)?;
        println!("  {:<20} {wall:>8.1} s {cpu:>8.1} s", user.name);
        fs::remove_dir_all(target)?;
    }
    Ok(())
}

/// Measures builds of the crates alone, in turn. Their dependencies are already built.
fn compare_rounds(users: &[User], amount: Amount, own: &Path) -> Result<(), Box<dyn Error>> {
    let target = amount.target()?;
    let Amount {
        functions,
        rounds,
        command,
        ..
    } = amount;
    for user in users {
        let home = generate(user, functions, own)?;
        cargo(&[command], &home, &target, false)?;
    }
    let mut samples = vec![Vec::new(); users.len()];
    for _ in 0..rounds {
        for (user, samples) in users.iter().zip(&mut samples) {
            // Writing the same source again makes cargo rebuild the crate, without its dependencies.
            let home = generate(user, functions, own)?;
            samples.push(cargo(&[command], &home, &target, false)?);
        }
    }
    println!(
        "\n{:<22} {:>10} {:>10} {:>28} {:>28}",
        format!("{command}, {functions} functions"),
        "time",
        "CPU time",
        "its ratio to plain (95 %)",
        "to no attribute (95 %)"
    );
    let cpu: Vec<Vec<f64>> = samples
        .iter()
        .map(|samples| samples.iter().map(|took| took.user).collect())
        .collect();
    let plain = &cpu[0];
    let untracked = &cpu[users.len() - 2];
    for ((user, samples), cpu) in users.iter().zip(&samples).zip(&cpu) {
        let ratios = [plain, untracked].map(|base| {
            let Median { low, value, high } = ratio(base, cpu);
            format!("{value:.2} ({low:.2} to {high:.2})")
        });
        let wall = Median::of(samples.iter().map(|took| took.wall)).value;
        let cpu = Median::of(cpu.iter().copied()).value;
        println!(
            "  {:<20} {wall:>8.2} s {cpu:>8.2} s {:>28} {:>28}",
            user.name, ratios[0], ratios[1]
        );
    }
    Ok(())
}

fn users() -> [User; 4] {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtime");
    let leash = |features: &str| {
        format!(
            "{{ package = \"sqlx-leash\", path = \"{}\", default-features = false, features = [\"postgres\", \"runtime-tokio\", \"sqlite\"{features}] }}",
            runtime.display()
        )
    };
    [
        User {
            name: "plain",
            dependency: "{ version = \"0.9.0\", default-features = false, features = [\"postgres\", \"runtime-tokio\", \"sqlite\"] }".to_owned(),
            attribute: "",
        },
        User {
            name: "off",
            dependency: leash(""),
            attribute: "#[sqlx::track]",
        },
        User {
            name: "on, no attribute",
            dependency: leash(", \"track\""),
            attribute: "",
        },
        User {
            name: "on",
            dependency: leash(", \"track\""),
            attribute: "#[sqlx::track]",
        },
    ]
}

/// Writes a crate, and returns its directory.
fn generate(user: &User, functions: u32, directory: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let package = user.name.replace(", ", "-").replace(' ', "-");
    let home = directory.join(&package);
    fs::create_dir_all(home.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"user-{package}\"\nedition = \"2024\"\n\n[dependencies]\nsqlx = {}\n\n[workspace]\n\n[profile.dev]\ndebug = \"line-tables-only\"\n",
        user.dependency
    );
    fs::write(home.join("Cargo.toml"), manifest)?;
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("sqlx_0_9/Cargo.lock");
    fs::copy(lock, home.join("Cargo.lock"))?;
    fs::write(home.join("src/lib.rs"), source(user.attribute, functions)?)?;
    Ok(home)
}

/// The source of repositories with ten functions each: eight send a statement to the pool, and two have a transaction.
fn source(attribute: &str, functions: u32) -> Result<String, std::fmt::Error> {
    let mut source = "use sqlx::SqlitePool;\n".to_owned();
    for number in 0..functions {
        if number % 10 == 0 {
            write!(
                source,
                "\npub struct Repo{number} {{\n    pub pool: SqlitePool,\n}}\n\n{attribute}\nimpl Repo{number} {{\n"
            )?;
        }
        if number % 5 == 4 {
            write!(
                source,
                "    pub async fn move_{number}(&self, from: i64, to: i64) -> sqlx::Result<()> {{
        let mut tx = self.pool.begin().await?;
        sqlx::query(\"UPDATE exam SET room = NULL WHERE room = ?\").bind(to).execute(&mut *tx).await?;
        sqlx::query(\"UPDATE exam SET room = ? WHERE room = ?\").bind(to).bind(from).execute(&mut *tx).await?;
        tx.commit().await
    }}\n"
            )?;
        } else {
            write!(
                source,
                "    pub async fn find_{number}(&self, id: i64) -> sqlx::Result<Option<String>> {{
        sqlx::query_scalar(\"SELECT patient FROM exam WHERE id = ?\").bind(id).fetch_optional(&self.pool).await
    }}\n"
            )?;
        }
        if number % 10 == 9 || number + 1 == functions {
            source.push_str("}\n");
        }
    }
    Ok(source)
}

/// Runs a command of cargo in a crate, with or without incremental compilation.
pub(crate) fn cargo(
    command: &[&str],
    home: &Path,
    target: &Path,
    is_incremental: bool,
) -> Result<Took, Box<dyn Error>> {
    let (began, used) = (Instant::now(), machine::user_time_of_children()?);
    let status = machine::cargo()
        .args(command)
        .args(["--quiet", "--target-dir"])
        .arg(target)
        .current_dir(home)
        .env("CARGO_INCREMENTAL", u8::from(is_incremental).to_string())
        .status()?;
    if !status.success() {
        return Err(format!("cargo {command:?} in {}: {status}", home.display()).into());
    }
    Ok(Took {
        wall: began.elapsed().as_secs_f64(),
        user: machine::user_time_of_children()? - used,
    })
}
