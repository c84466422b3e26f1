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
    program: &'static str,
    offers: Offers,
}

/// The operations that a contender can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offers {
    All,
    /// Those that send a statement to a pool, on PostgreSQL.
    StatementsOnPostgresPools,
}

const fn contender(name: &'static str, against: &'static str, program: &'static str) -> Contender {
    Contender {
        name,
        against,
        program,
        offers: Offers::All,
    }
}

pub(crate) const PLAIN: Contender = contender("plain", "plain", "plain");
pub(crate) const ON: Contender = contender("leash, #[track]", "plain", "on");

/// Plain sqlx and sqlx-leash with `track`, with many call sites.
pub(crate) const PLAIN_SITES: Contender = contender("plain", "plain", "plain_sites");
pub(crate) const ON_SITES: Contender = contender("leash, #[track]", "plain", "on_sites");

/// The contenders of the part `cost`. The first one is plain sqlx, on which the number of repetitions is calibrated.
pub(crate) const ALL: [Contender; 13] = [
    PLAIN,
    contender("A/A", "plain", "plain"),
    contender("#[instrument]", "plain", "instrument"),
    Contender {
        offers: Offers::StatementsOnPostgresPools,
        ..contender("sqlx-datadog", "plain", "datadog")
    },
    contender("sqlx-otel", "plain", "otel"),
    contender("leash, off", "plain", "off"),
    contender("leash, bare", "plain", "on_bare"),
    ON,
    contender("plain 0.8", "plain 0.8", "plain_0_8"),
    contender("sqlx-tracing", "plain 0.8", "tracing"),
    contender("plain DEBUG", "plain", "plain_debug"),
    contender("leash DEBUG", "plain DEBUG", "on_debug"),
    contender("otel collector", "plain", "otel_collector"),
];

/// Further contenders, for pools without a minimum.
pub(crate) const WITHOUT_MINIMUM: [Contender; 2] = [
    contender("leash reporter", "plain", "on_reporter"),
    contender("leash observer", "plain", "on_observer"),
];

/// What is built at once, by its workspace: what can share a build of sqlx does. Features unite in a build, so that of
/// sqlx-leash without `track` is another one; and so is that of sqlx-otel, with the features that OpenTelemetry asks for.
const BUILDS: [(&str, &[&str]); 4] = [
    (
        "sqlx_0_9",
        &[
            "--workspace",
            "--exclude=contender-off",
            "--exclude=contender-otel",
        ],
    ),
    ("sqlx_0_9", &["--package=contender-off"]),
    ("sqlx_0_9", &["--package=contender-otel"]),
    ("sqlx_0_8", &["--workspace"]),
];

/// Builds all contenders, in the profile of this program.
pub(crate) fn build() -> Result<(), Box<dyn Error>> {
    for (workspace, packages) in BUILDS {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(workspace)
            .join("Cargo.toml");
        let mut cargo = machine::cargo();
        cargo.args(["build", "--quiet", "--locked"]).args(packages);
        cargo.arg("--manifest-path").arg(manifest);
        cargo.arg("--target-dir").arg(target_directory()?);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let status = cargo.status()?;
        if !status.success() {
            return Err(format!("the contenders of {workspace} are not built: {status}").into());
        }
    }
    Ok(())
}

impl Contender {
    /// Whether it can run on that database.
    pub(crate) fn serves(&self, url: &str) -> bool {
        self.offers == Offers::All || url.starts_with("postgres")
    }

    /// Whether it can run the operation.
    pub(crate) fn offers(&self, operation: &str) -> bool {
        self.offers == Offers::All
            || operation.ends_with("&pool")
            || operation.starts_with("1000 rows")
            || operation == "begin, INSERT, commit"
    }

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
            contender: *self,
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
    pub(crate) contender: Contender,
    child: Child,
    /// Its standard input. `None` once it must end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Running {
    /// Requests a batch, and returns the numbers of the answer.
    pub(crate) fn run(
        &mut self,
        measure: Measure,
        times: u32,
        operation: &str,
    ) -> Result<[u64; 3], Box<dyn Error>> {
        let request = Request {
            measure,
            times,
            operation: operation.to_owned(),
        };
        let requests = self.requests.as_mut().ok_or("its input is closed")?;
        writeln!(requests, "{request}")?;
        let answer = self.line()?;
        let numbers: Result<Vec<u64>, _> = answer.split_whitespace().map(str::parse).collect();
        <[u64; 3]>::try_from(numbers?)
            .map_err(|_| format!("{} answers `{answer}`", self.contender.name).into())
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(format!("{} ended: {}", self.contender.name, self.child.wait()?).into());
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
