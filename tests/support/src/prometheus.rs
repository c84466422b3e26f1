//! Prometheus and its tool, for tests of what it is given to read.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::{install, skip, watchdog};

/// The name in `LEASH_TEST_REQUIRE`.
const NAME: &str = "prometheus";

/// A Prometheus that scrapes one program. It ends when this value is dropped, and with this process.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    promtool: PathBuf,
    /// The script that stops Prometheus and removes its directory when its pipe ends.
    child: Child,
}

/// Runs `promtool` with these arguments and this text on its standard input. If it is not installed, prints that the test is
/// skipped and returns `None`.
///
/// # Panics
///
/// Panics if it is not installed and `LEASH_TEST_REQUIRE` names `prometheus`, or if it does not run.
pub fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
    let promtool = found("promtool")?;
    let mut child = Command::new(promtool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut pipe = child.stdin.take().expect("it has a pipe");
    pipe.write_all(input.as_bytes())
        .expect("promtool reads all of it");
    drop(pipe);
    Some(child.wait_with_output().expect("promtool ends"))
}

/// Starts Prometheus with this configuration, which names what it scrapes, and these rules, as `rules.yml`. If it is not installed, prints that the test is
/// skipped and returns `None`.
///
/// # Panics
///
/// Panics if it is not installed and `LEASH_TEST_REQUIRE` names `prometheus`, or if it does not start.
pub fn prometheus(config: &str, rules: &str) -> Option<Prometheus> {
    let (server, promtool) = (found("prometheus")?, found("promtool")?);
    let user = install::unprivileged(NAME).expect("a user to run it as");
    let directory = tempfile::Builder::new()
        .prefix("leash-prometheus-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .expect("a directory for its data");
    let file = directory.path().join("prometheus.yml");
    for (file, text) in [
        (&file, config),
        (&directory.path().join("rules.yml"), rules),
    ] {
        fs::write(file, text).expect("the directory can be written to");
    }
    if let Some(user) = &user {
        chown(directory.path(), Some(user.uid), Some(user.gid)).expect("it is given away");
    }
    let log = File::create(directory.path().join("log")).expect("the directory can be written to");
    let address = free_address();
    let directory = directory.keep();
    let command = [
        server.display().to_string(),
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", directory.join("data").display()),
        format!("--web.listen-address={address}"),
        "--log.level=warn".to_owned(),
    ];
    let child = watchdog::start(&command, "TERM", &directory, user.as_ref(), &log);
    Some(Prometheus {
        url: format!("http://{address}"),
        promtool,
        child: child.expect("Prometheus starts"),
    })
}

impl Prometheus {
    /// Evaluates a query now, and returns the values as JSON, or what stands in the way: it is still starting, or the query is
    /// wrong.
    ///
    /// # Errors
    ///
    /// The words of `promtool`.
    ///
    /// # Panics
    ///
    /// Panics if Prometheus has ended.
    pub fn query(&mut self, query: &str) -> Result<String, String> {
        let ended = self.child.try_wait().expect("it is a child");
        assert!(ended.is_none(), "Prometheus has ended: {ended:?}");
        let output = Command::new(&self.promtool)
            .args(["query", "instant", "-o", "json", &self.url, query])
            .output()
            .expect("promtool runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let found = install::program(program);
    if found.is_none() {
        let required = env::var("LEASH_TEST_REQUIRE")
            .is_ok_and(|names| names.split(',').any(|name| name.trim() == NAME));
        assert!(
            !required,
            "LEASH_TEST_REQUIRE names {NAME}, and there is no `{program}`"
        );
        skip(&format!("no `{program}`"));
    }
    found
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("it is bound")
}
