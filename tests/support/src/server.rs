//! Starts and stops the database server of this test process.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use sqlx::{Connection, MySqlConnection, PgConnection};

use crate::Kind;
use crate::install::{self, User};
use crate::watchdog;

/// The time that a server may take to create its files, and to accept connections. Slow machines run many tests at
/// once.
const PATIENCE: Duration = Duration::from_mins(2);

/// A server that accepts connections.
#[derive(Debug)]
pub(crate) enum Server {
    /// A server that this process has not started: its URL.
    Given(String),
    /// A server that this process has started. It is never dropped, because it is in a static.
    Ours(Own),
}

impl Server {
    /// The URL to create databases with.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Given(url) => url,
            Self::Ours(own) => &own.url,
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(_))
    }
}

/// A server of this process: its files, its port, and the process while it runs.
#[derive(Debug)]
pub(crate) struct Own {
    kind: Kind,
    daemon: PathBuf,
    place: Place,
    port: u16,
    url: String,
    /// The running process. It holds the pipe that keeps the server running.
    child: Option<Child>,
}

impl Own {
    /// Creates a server from the installed binaries, and waits until it accepts connections.
    pub(crate) async fn new(kind: Kind) -> Result<Self, String> {
        let program =
            |name: &str| install::program(name).ok_or_else(|| format!("`{name}` is not installed"));
        let (setup, daemon, account) = match kind {
            Kind::Postgres => (program("initdb")?, program("postgres")?, "postgres"),
            Kind::MySql => (
                program("mariadb-install-db")?,
                program("mariadbd")?,
                "mysql",
            ),
        };
        let place = Place::new(kind, install::unprivileged(account)?)
            .map_err(|error| format!("no directory for a server: {error}"))?;

        let setup = place.start(&setup_command(kind, &setup, &place.directory), "TERM")?;
        let status = place.wait(setup).await?;
        if !status.success() {
            return Err(place.failure("setting up the server failed"));
        }

        let mut own = Self {
            kind,
            daemon,
            place,
            port: 0,
            url: String::new(),
            child: None,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Another process may take the port first. The server then ends, and this loop tries the next port.
            own.port = free_port().map_err(|error| format!("no free port: {error}"))?;
            own.url = match kind {
                Kind::Postgres => format!("postgres://postgres@127.0.0.1:{}/postgres", own.port),
                Kind::MySql => format!("mysql://root@127.0.0.1:{}/mysql", own.port),
            };
            if own.start(deadline).await? {
                return Ok(own);
            }
            if Instant::now() >= deadline {
                return Err(own.place.failure("the server does not start"));
            }
        }
    }

    /// The URL of the database that a new server has.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Starts the server on its port. Returns `false` if it has ended before it accepted connections.
    async fn start(&mut self, deadline: Instant) -> Result<bool, String> {
        let (command, signal) = match self.kind {
            Kind::Postgres => (
                postgres_command(&self.daemon, &self.place.directory, self.port),
                "INT",
            ),
            Kind::MySql => (
                mariadb_command(&self.daemon, &self.place.directory, self.port),
                "TERM",
            ),
        };
        let mut child = self.place.start(&command, signal)?;
        let is_ready = self
            .place
            .ready(&mut child, self.kind, &self.url, deadline)
            .await?;
        self.child = is_ready.then_some(child);
        Ok(is_ready)
    }

    /// Starts the server again, with the same files and port.
    pub(crate) async fn start_again(&mut self) -> Result<(), String> {
        if self.start(Instant::now() + PATIENCE).await? {
            Ok(())
        } else {
            Err(self.place.failure("the server does not start again"))
        }
    }

    /// Shuts the server down, which ends all sessions, and waits until its process has ended.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        let child = self.child.take().ok_or("the server is stopped already")?;
        let (file, signal) = match self.kind {
            Kind::Postgres => ("data/postmaster.pid", "INT"),
            Kind::MySql => ("pid", "TERM"),
        };
        let file = self.place.directory.join(file);
        let process =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let process = process.lines().next().unwrap_or_default();
        Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, process])
            .status()
            .map_err(|error| format!("no signal: {error}"))?;
        self.place.wait(child).await.map(drop)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The script removes the directory of a running server when its pipe ends.
        if self.child.is_none() {
            let _ = fs::remove_dir_all(&self.place.directory);
        }
    }
}

/// The URL of another database on the same server.
pub(crate) fn with_database(url: &str, name: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let host = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address[host..]
        .find('/')
        .map_or(address.len(), |slash| host + slash);
    format!("{}/{name}{parameters}", &address[..end])
}

fn setup_command(kind: Kind, program: &Path, directory: &Path) -> Vec<String> {
    let data = directory.join("data");
    match kind {
        Kind::Postgres => command(
            program,
            &[
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "--no-instructions",
                &format!("--pgdata={}", data.display()),
            ],
        ),
        Kind::MySql => command(
            program,
            &[
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                &format!("--datadir={}", data.display()),
            ],
        ),
    }
}

fn postgres_command(program: &Path, directory: &Path, port: u16) -> Vec<String> {
    // No data has to survive a power failure.
    command(
        program,
        &[
            "-D",
            &directory.join("data").display().to_string(),
            "-c",
            &format!("port={port}"),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=300",
            "-c",
            "shared_buffers=32MB",
            "-c",
            "fsync=off",
            "-c",
            "synchronous_commit=off",
            "-c",
            "full_page_writes=off",
            "-c",
            "autovacuum=off",
            "-c",
            "jit=off",
        ],
    )
}

fn mariadb_command(program: &Path, directory: &Path, port: u16) -> Vec<String> {
    command(
        program,
        &[
            "--no-defaults",
            &format!("--datadir={}", directory.join("data").display()),
            &format!("--socket={}", directory.join("socket").display()),
            &format!("--pid-file={}", directory.join("pid").display()),
            &format!("--port={port}"),
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--max-connections=300",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=16M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=OFF",
            "--character-set-server=utf8mb4",
        ],
    )
}

fn command(program: &Path, arguments: &[&str]) -> Vec<String> {
    std::iter::once(program.display().to_string())
        .chain(arguments.iter().map(ToString::to_string))
        .collect()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The private directory of a server, and the user who owns it.
#[derive(Debug)]
struct Place {
    directory: PathBuf,
    user: Option<User>,
    log: File,
}

impl Place {
    fn new(kind: Kind, user: Option<User>) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(&format!("leash-{}-", kind.name()))
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()?;
        if let Some(user) = &user {
            chown(directory.path(), Some(user.uid), Some(user.gid))?;
        }
        let log = File::create(directory.path().join("log"))?;
        // From here on, the directory is removed with the server.
        Ok(Self {
            directory: directory.keep(),
            user,
            log,
        })
    }

    fn start(&self, command: &[String], signal: &str) -> Result<Child, String> {
        watchdog::start(
            command,
            signal,
            &self.directory,
            self.user.as_ref(),
            &self.log,
        )
        .map_err(|error| format!("{} does not start: {error}", command[0]))
    }

    async fn wait(&self, mut child: Child) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Pause::new();
        loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(self.failure("setting up the server takes too long"));
            }
            pause.rest().await;
        }
    }

    /// Waits until the server accepts connections. Returns `false` if it has ended instead.
    async fn ready(
        &self,
        child: &mut Child,
        kind: Kind,
        url: &str,
        deadline: Instant,
    ) -> Result<bool, String> {
        let mut pause = Pause::new();
        loop {
            if child
                .try_wait()
                .map_err(|error| error.to_string())?
                .is_some()
            {
                return Ok(false);
            }
            let Err(error) = greet(kind, url).await else {
                return Ok(true);
            };
            if Instant::now() >= deadline {
                return Err(self.failure(&format!("the server accepts no connection: {error}")));
            }
            pause.rest().await;
        }
    }

    /// A message about a failure, with the last lines of the log. The directory is kept, so that it can be inspected.
    fn failure(&self, what: &str) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n");
        format!("{what}; see {}\n{last}", self.directory.display())
    }
}

async fn greet(kind: Kind, url: &str) -> sqlx::Result<()> {
    match kind {
        Kind::Postgres => PgConnection::connect(url).await?.close().await,
        Kind::MySql => MySqlConnection::connect(url).await?.close().await,
    }
}

/// The pause between two polls of something that cannot notify. It doubles from 5 ms up to 200 ms.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Self(Duration::from_millis(5))
    }

    async fn rest(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[track_caller]
    fn check(url: &str, expected: &str) {
        assert_eq!(with_database(url, "exam"), expected);
    }

    #[test]
    fn a_database_is_replaced() {
        check(
            "postgres://u:p@localhost:5432/postgres",
            "postgres://u:p@localhost:5432/exam",
        );
    }

    #[test]
    fn a_database_is_added() {
        check("mysql://root@127.0.0.1", "mysql://root@127.0.0.1/exam");
    }

    #[test]
    fn parameters_stay() {
        check(
            "postgres:///postgres?host=/run/postgresql",
            "postgres:///exam?host=/run/postgresql",
        );
    }
}
