//! What the modules about holding, writing and sending share: pools, places, findings, and waiting for them.

use std::fmt::Debug;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Level, Lint, PoolExt};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection, track};
use tokio::runtime::Runtime;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::child;
pub(crate) use crate::common::{Place, TestPool, declared, heard, marked, path_of, settled, until};

/// A transaction that can go anywhere.
pub(crate) type Tx = sqlx::SqliteTransaction<'static>;

/// A hundred rows, with no table.
pub(crate) const HUNDRED: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n";

/// The level of what denies by default in a debug build.
pub(crate) const DENY_IN_DEBUG: Level = if cfg!(debug_assertions) {
    Level::Deny
} else {
    Level::Warn
};

/// Some connections to one database in memory, with an empty table `exam (id, name)`.
pub(crate) async fn pool() -> TestPool {
    pool_of(5).await
}

pub(crate) async fn pool_of(max_connections: u32) -> TestPool {
    // In memory, the database lives as long as its last connection.
    let options = SqlitePoolOptions::new()
        .max_connections(max_connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = options.connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        .execute(pool.as_sqlx())
        .await
        .unwrap();
    TestPool::of(pool)
}

pub(crate) async fn pool_named(max_connections: u32, name: &str) -> TestPool {
    pool_of(max_connections).await.called(name)
}

/// A database in a file that one connection has locked: a statement of anybody else runs until [`open`](Gate::open).
pub(crate) struct Gate {
    pub(crate) pool: TestPool,
    lock: SqliteConnection,
    _directory: tempfile::TempDir,
}

impl Gate {
    pub(crate) async fn closed() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = SqliteConnectOptions::new()
            .filename(directory.path().join("gate"))
            .create_if_missing(true)
            .busy_timeout(Duration::from_mins(1));
        let options = SqlitePoolOptions::new().max_connections(2);
        let pool = options.connect_with(database.clone()).await.unwrap();
        let mut lock = SqliteConnection::connect_with(&database).await.unwrap();
        sqlx::raw_sql("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT); BEGIN EXCLUSIVE")
            .execute(&mut lock)
            .await
            .unwrap();
        Self {
            pool: TestPool::of(pool),
            lock,
            _directory: directory,
        }
    }

    pub(crate) async fn open(&mut self) {
        sqlx::raw_sql("COMMIT")
            .execute(&mut self.lock)
            .await
            .unwrap();
    }
}

/// What a finding must say. Each text must stand somewhere in its part.
pub(crate) struct Says<'a> {
    pub(crate) lint: Lint,
    pub(crate) level: Level,
    pub(crate) certainty: Certainty,
    pub(crate) primary: Place,
    pub(crate) function: Option<&'a str>,
    pub(crate) title: &'a [&'a str],
    /// Exactly these places, in this order.
    pub(crate) related: &'a [(&'a str, Place)],
    pub(crate) facts: &'a [&'a str],
    pub(crate) help: &'a [&'a str],
}

impl Says<'_> {
    #[track_caller]
    pub(crate) fn check(&self, finding: &Finding) {
        let all = finding.render();
        assert_eq!(finding.lint, self.lint, "{all}");
        assert_eq!(finding.level, self.level, "{all}");
        assert_eq!(finding.certainty, self.certainty, "{all}");
        assert_eq!(Place::from(&finding.primary), self.primary, "{all}");
        assert_eq!(finding.function.as_deref(), self.function, "{all}");
        for part in self.title {
            assert!(
                finding.title.contains(part),
                "no `{part}` in the title:\n{all}"
            );
        }
        let related: Vec<_> = finding
            .related
            .iter()
            .map(|related| &related.site)
            .collect();
        assert_eq!(related.len(), self.related.len(), "related places:\n{all}");
        for (found, (label, place)) in finding.related.iter().zip(self.related) {
            assert_eq!(Place::from(&found.site), *place, "{all}");
            assert!(
                found.label.contains(label),
                "no `{label}` at its place:\n{all}"
            );
        }
        let facts: Vec<_> = finding.facts.iter().map(ToString::to_string).collect();
        for part in self.facts {
            assert!(
                facts.iter().any(|fact| fact.contains(part)),
                "no fact `{part}`:\n{all}"
            );
        }
        for part in self.help {
            assert!(
                finding.help.iter().any(|help| help.contains(part)),
                "no help `{part}`:\n{all}"
            );
        }
    }
}

/// The only finding there is.
#[track_caller]
pub(crate) fn only(mut found: Vec<Finding>) -> Finding {
    assert_eq!(found.len(), 1, "one finding: {}", rendered(&found));
    found.remove(0)
}

#[track_caller]
pub(crate) fn assert_none(found: &[Finding]) {
    assert!(found.is_empty(), "no finding: {}", rendered(found));
}

pub(crate) fn rendered(found: &[Finding]) -> String {
    let texts: Vec<_> = found.iter().map(Finding::render).collect();
    texts.join("\n\n")
}

/// Waits until so many findings of a lint were told about a pool.
pub(crate) async fn told(pool: &str, lint: Lint, number: usize) {
    let is_told = || {
        heard(pool)
            .iter()
            .filter(|found| found.lint == lint)
            .count()
            >= number
    };
    until(format!("{lint} is told of {pool}"), is_told).await;
}

/// Waits until the watchdog tells of a handle that was idle for 100 ms from now on: whatever had the same reason before
/// was told, too.
pub(crate) async fn watched() {
    let pool = pool_of(1).await;
    let ((), found) = findings(idle_witness(&pool)).await;
    assert_eq!(only(found).lint, Lint::HeldIdle);
}

#[track(held_idle = "100ms")]
async fn idle_witness(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    told(pool.name(), Lint::HeldIdle, 1).await;
}

/// Runs `future` until the watchdog has looked at it for long enough to find what is wrong, and finds nothing.
#[track_caller]
pub(crate) fn silent<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = Location::caller();
    // Here, not in the future: a future that is handed over would lie in it twice.
    let found = findings(Box::pin(future));
    async move {
        let (output, found) = found.await;
        assert!(
            found.is_empty(),
            "{caller}: no finding: {}",
            rendered(&found)
        );
        output
    }
}

/// Lines that the crate logs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Those of a target, each after its level: `INFO text`.
    pub(crate) fn of(&self, target: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let of = format!("{target} ");
        lines
            .iter()
            .filter_map(|line| line.strip_prefix(&of).map(str::to_owned))
            .collect()
    }

    /// Collects those of the whole process.
    pub(crate) fn of_process() -> Self {
        use tracing_subscriber::layer::SubscriberExt as _;
        let lines = Self::default();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.clone()))
            .unwrap();
        lines
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let (target, level) = (event.metadata().target(), event.metadata().level());
        if target.starts_with("sqlx_leash") {
            self.0
                .lock()
                .unwrap()
                .push(format!("{target} {level} {}", message.0));
        }
    }
}

/// Runs `body` in a process of its own, with `SQLX_LEASH` set to `environment` unless that is empty, and gives what it
/// wrote to stderr. `test` is the full name of the calling test, which is run again there.
///
/// In the child this does not return.
#[track_caller]
pub(crate) fn in_child(test: &str, environment: &str, body: impl FnOnce(&Runtime)) -> String {
    let variable = [("SQLX_LEASH", environment)];
    let variables = if environment.is_empty() {
        &[][..]
    } else {
        &variable
    };
    child::in_child(test, variables, body).err
}
