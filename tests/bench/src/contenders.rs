//! Builds and starts the contenders, and sends them requests.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use leash_contender::{Measure, Request, Surroundings};

use crate::machine;

/// A contender, before it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    /// The name in the tables.
    pub(crate) name: &'static str,
    /// The name of the contender with which it is compared. Its own name if it is not compared with another one.
    pub(crate) against: &'static str,
    workspace: &'static str,
    package: &'static str,
    program: &'static str,
}

const fn contender(
    [name, against]: [&'static str; 2],
    [workspace, package, program]: [&'static str; 3],
) -> Contender {
    Contender {
        name,
        against,
        workspace,
        package,
        program,
    }
}

pub(crate) const PLAIN: Contender =
    contender(["plain", "plain"], ["sqlx_0_9", "contender-plain", "plain"]);
pub(crate) const ON: Contender = contender(["on", "plain"], ["sqlx_0_9", "contender-on", "on"]);

/// Plain sqlx and sqlx-leash with `track`, with many call sites.
pub(crate) const PLAIN_SITES: Contender = contender(
    ["plain", "plain"],
    ["sqlx_0_9", "contender-plain-sites", "plain_sites"],
);
pub(crate) const ON_SITES: Contender = contender(
    ["on", "plain"],
    ["sqlx_0_9", "contender-on-sites", "on_sites"],
);

/// The contenders of the part `cost`. The first one is plain sqlx, on which the number of repetitions is calibrated.
pub(crate) const ALL: [Contender; 12] = [
    PLAIN,
    contender(["off", "plain"], ["sqlx_0_9", "contender-off", "off"]),
    contender(
        ["on, bare", "plain"],
        ["sqlx_0_9", "contender-on", "on_bare"],
    ),
    ON,
    contender(
        ["on reporter", "plain"],
        ["sqlx_0_9", "contender-on", "on_reporter"],
    ),
    contender(
        ["on observer", "plain"],
        ["sqlx_0_9", "contender-on", "on_observer"],
    ),
    contender(
        ["on DEBUG", "plain"],
        ["sqlx_0_9", "contender-on", "on_debug"],
    ),
    contender(
        ["plain DEBUG", "plain"],
        ["sqlx_0_9", "contender-plain", "plain_debug"],
    ),
    contender(
        ["sqlx-otel", "plain"],
        ["sqlx_0_9", "contender-otel", "otel"],
    ),
    contender(
        ["otel collector", "plain"],
        ["sqlx_0_9", "contender-otel", "otel_collector"],
    ),
    contender(
        ["plain 0.8", "plain 0.8"],
        ["sqlx_0_8", "contender-plain-0-8", "plain_0_8"],
    ),
    contender(
        ["sqlx-tracing", "plain 0.8"],
        ["sqlx_0_8", "contender-tracing", "tracing"],
    ),
];

/// Builds their programs in the profile of this program. Each package is built separately, because features unite
/// within a build.
pub(crate) fn build(contenders: &[Contender]) -> Result<(), Box<dyn Error>> {
    let packages = contenders.chunk_by(|a, b| a.package == b.package);
    for package in packages {
        let Contender {
            workspace,
            package: name,
            ..
        } = package[0];
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(workspace)
            .join("Cargo.toml");
        let mut cargo = machine::cargo();
        cargo
            .args(["build", "--quiet", "--locked", "--package", name])
            .args(
                package
                    .iter()
                    .flat_map(|contender| ["--bin", contender.program]),
            )
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--target-dir")
            .arg(target_directory()?);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let status = cargo.status()?;
        if !status.success() {
            return Err(format!("{name} is not built: {status}").into());
        }
    }
    Ok(())
}

impl Contender {
    fn program(&self) -> Result<PathBuf, Box<dyn Error>> {
        let profile = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        Ok(target_directory()?.join(profile).join(self.program))
    }

    /// Starts it with the command `runner`, a program and its arguments, or directly if that is empty.
    pub(crate) fn start(
        &self,
        runner: &[String],
        url: &str,
        surroundings: &Surroundings,
    ) -> Result<Running, Box<dyn Error>> {
        let program = self.program()?.display().to_string();
        let command: Vec<&String> = runner.iter().chain([&program]).collect();
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .arg(url)
            .args(surroundings.arguments())
            // The settings of the shell must not affect the figures.
            .env_remove("SQLX_LEASH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut running = Running {
            name: self.name,
            requests: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().ok_or("it has no standard output")?),
            child,
        };
        running.line()?;
        Ok(running)
    }
}

/// The target directory in which this program was built.
pub(crate) fn target_directory() -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let directory = program
        .ancestors()
        .nth(2)
        .ok_or("the program is in no target directory")?;
    Ok(directory.to_owned())
}

/// A contender that waits for a request.
#[derive(Debug)]
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    /// Its standard input. `None` once it must end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Running {
    /// Requests a batch, and returns the two numbers of the answer.
    pub(crate) fn run(
        &mut self,
        measure: Measure,
        times: u32,
        operation: &str,
    ) -> Result<[u64; 2], Box<dyn Error>> {
        let request = Request {
            measure,
            times,
            operation: operation.to_owned(),
        };
        let requests = self.requests.as_mut().ok_or("its input is closed")?;
        writeln!(requests, "{request}")?;
        let answer = self.line()?;
        let (first, second) = answer
            .trim()
            .split_once(' ')
            .ok_or_else(|| format!("{} answers `{answer}`", self.name))?;
        Ok([first.parse()?, second.parse()?])
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(format!("{} ended: {}", self.name, self.child.wait()?).into());
        }
        Ok(line)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The contender exits when its input ends.
        self.requests = None;
        let _ = self.child.wait();
    }
}
