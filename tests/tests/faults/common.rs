//! Situations that run twice, through plain sqlx and through tracked code, and the checks that follow each run.

use std::sync::Once;
use std::time::Duration;

use leash_tests::{IsInside, TestPool, assert_whole, take_received, until};
use sqlx::leash::{self, Backend, Certainty, Finding, Level, Lint, Verdict};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Database, Error, Executor as _};

/// The longest wait for an event that must come, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The expected outcome of a situation.
#[derive(Debug)]
pub(crate) struct Expected {
    /// The possible endings, as [`essence`] writes them.
    endings: &'static [&'static str],
    /// The expected findings, in this order.
    lints: &'static [Lint],
    cause: Option<(Verdict, Certainty)>,
}

/// The situation ends without an error.
pub(crate) const fn well() -> Expected {
    one_of(&[WELL])
}

/// The situation ends with this error.
pub(crate) const fn error(error: &'static [&'static str; 1]) -> Expected {
    one_of(error)
}

/// The situation ends in one of these ways, depending on which event comes first.
pub(crate) const fn one_of(endings: &'static [&'static str]) -> Expected {
    Expected {
        endings,
        lints: &[],
        cause: None,
    }
}

/// The situation ends with a timeout of the pool, which the tracker explains with this verdict.
pub(crate) const fn timeout(verdict: Verdict, certainty: Certainty) -> Expected {
    Expected {
        endings: &["PoolTimedOut"],
        lints: &[Lint::PoolTimeout],
        cause: Some((verdict, certainty)),
    }
}

impl Expected {
    /// Adds the findings that the situation itself causes.
    pub(crate) const fn found(self, lints: &'static [Lint]) -> Self {
        Self { lints, ..self }
    }
}

/// The ending without an error.
pub(crate) const WELL: &str = "well";

/// The variant of an error, with the database's code, the kind of an IO error, or the message of a protocol error.
fn essence(error: Option<&Error>) -> String {
    match error {
        None => WELL.to_owned(),
        Some(Error::Database(error)) => match error.try_downcast_ref::<MySqlDatabaseError>() {
            Some(error) => format!("Database {}", error.number()),
            None => format!("Database {}", error.code().unwrap_or_default()),
        },
        Some(Error::Io(error)) => format!("Io {:?}", error.kind()),
        Some(Error::Protocol(words)) => format!("Protocol {words}"),
        Some(other) => format!("{other:?}"),
    }
}

/// Keeps every finding of the process from now on, except those about slowness: the machine may be busy.
pub(crate) fn listen() {
    static CONFIGURED: Once = Once::new();
    CONFIGURED.call_once(|| {
        leash::Config::new()
            .level(Lint::PoolPressure, Level::Allow)
            .limit(Lint::HeldIdle, PATIENCE)
            .limit(Lint::SlowQuery, PATIENCE)
            .limit(Lint::UnaccountedConnections, PATIENCE)
            .install();
    });
    leash_tests::listen();
}

/// A pool of this size on one database in a file, with an empty table `exam (id, name)`.
pub(crate) async fn small(max_connections: u32) -> TestPool {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteConnectOptions::new()
        .filename(folder.path().join("exams"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off);
    let pool = SqlitePoolOptions::new()
        .max_connections(max_connections)
        .min_connections(max_connections)
        .connect_with(file)
        .await
        .unwrap();
    pool.execute("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        .await
        .unwrap();
    TestPool::new(pool, folder)
}

/// Checks that tracked code ended as plain sqlx did, and left nothing behind.
pub(crate) async fn check<DB>(
    function: &str,
    expected: &Expected,
    plain: Result<(), Error>,
    tracked: Result<(), Error>,
    pool: &TestPool<DB>,
) where
    DB: Backend,
    DB::Connection: IsInside,
{
    let (plain, tracked) = (plain.err(), tracked.err());
    for ended in [&plain, &tracked] {
        assert!(
            expected.endings.contains(&&*essence(ended.as_ref())),
            "{function}: plain sqlx ended with {plain:?}, tracked code with {tracked:?}"
        );
    }
    if let [_] = expected.endings {
        let said = [plain, tracked].map(|error| error.map(|error| error.to_string()));
        assert_eq!(said[0], said[1], "{function}");
    }
    assert_balanced(function);
    whole_again(pool, function).await;
    check_findings(function, expected, &take_received(pool.name()));
}

#[track_caller]
fn check_findings(function: &str, expected: &Expected, found: &[Finding]) {
    let lints: Vec<_> = found.iter().map(|finding| finding.lint).collect();
    let reported: Vec<_> = found.iter().map(Finding::render).collect();
    assert_eq!(lints, expected.lints, "{function}: {}", reported.join("\n"));
    if let (Some((verdict, certainty)), [finding]) = (expected.cause, found) {
        let said = (finding.verdict, finding.certainty);
        assert_eq!(
            said,
            (Some(verdict), certainty),
            "{function}: {}",
            reported[0]
        );
    }
}

/// Asserts that the statements of a function are counted, and that none of them is still running.
#[track_caller]
pub(crate) fn assert_balanced(function: &str) {
    let mut rows = leash::snapshot().sites;
    rows.retain(|row| row.function.as_deref() == Some(function));
    for row in rows {
        assert_eq!(
            row.calls,
            row.ok + row.errors + row.cancelled,
            "{function}: {row:?}"
        );
        assert_eq!(row.time.count, row.calls, "{function}: {row:?}");
    }
}

/// Waits until every permit is free, then asserts that every connection works and that none is inside a transaction.
pub(crate) async fn whole_again<DB>(pool: &TestPool<DB>, after: &str)
where
    DB: Database,
    DB::Connection: IsInside,
{
    pool.assert_empty();
    assert_whole(pool, after).await;
    until("the permits are free again", || {
        let stats = pool.stats();
        (stats.handles, stats.waiting, stats.returning) == (0, 0, 0)
    })
    .await;
}

/// Defines situations. Each is a test that runs the same code through plain sqlx and through tracked code.
///
/// ```text
/// World::new(): name => error(&["Database 57P01"]) |pool, world| { … }
/// ```
macro_rules! situations {
    ($world:expr; $($(#[$doc:meta])* $name:ident => $expected:expr, |$pool:ident, $server:ident| { $($body:tt)* })*) => {
        #[allow(unused_imports, reason = "each situation uses some of it")]
        mod plain {
            use super::*;
            use plain_sqlx as db;
            use plain_sqlx::{Acquire as _, Connection as _, Executor as _};
            $(
                pub(super) async fn $name($pool: &db::Pool<Db>, $server: &World) -> db::Result<()> {
                    $($body)*
                }
            )*
        }

        #[allow(unused_imports, reason = "each situation uses some of it")]
        #[sqlx::track]
        mod tracked {
            use super::*;
            use sqlx as db;
            use sqlx::{Acquire as _, Connection as _, Executor as _};
            $(
                pub(super) async fn $name($pool: &db::Pool<Db>, $server: &World) -> db::Result<()> {
                    $($body)*
                }
            )*
        }

        $(
            $(#[$doc])*
            #[tokio::test]
            async fn $name() {
                let Some(world) = $world.await else { return };
                let plain = Box::pin(plain::$name(&world.plain, &world)).await;
                world.is_repaired().await;
                let tracked = Box::pin(tracked::$name(&world.pool, &world)).await;
                world.is_repaired().await;
                let function = concat!(module_path!(), "::tracked::", stringify!($name));
                crate::common::check(function, &$expected, plain, tracked, &world.pool).await;
            }
        )*
    };
}
