//! What an observer is told: each end of a statement, of a wait, of a hold, of a connection, as borrowed data.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::finding::Finding;

/// Is told what ends. [`leash::observe`](crate::leash::observe) registers one, and [`guide::observe`] shows some.
///
/// Each method does nothing unless it is written. Each is called once for each end, when the snapshot's counters have it:
/// what an observer has counted since it was registered is what a snapshot has counted since then.
///
/// # Locking
///
/// No lock is held meanwhile, but what has ended is still there: the permit of the statement is held, and the connection of
/// the hold is not back in its pool. A method should take microseconds and wait for nothing. To use a pool, spawn a task.
///
/// [`guide::observe`]: crate::leash::guide::observe
pub trait Observer: Send + Sync + 'static {
    /// A statement has ended, or was given up.
    fn statement(&self, statement: &Statement<'_>) {
        let _ = statement;
    }

    /// An acquire has its permit, has failed, or was given up.
    fn wait(&self, wait: &Wait<'_>) {
        let _ = wait;
    }

    /// A holder has released its permit.
    fn hold(&self, hold: &Hold<'_>) {
        let _ = hold;
    }

    /// A pool has opened a connection.
    fn opened(&self, opened: &Opened<'_>) {
        let _ = opened;
    }

    /// A connection of a pool was closed.
    fn closed(&self, closed: &Closed<'_>) {
        let _ = closed;
    }

    /// A lint has found something, and is not allowed. Called after the callbacks of
    /// [`on_finding`](crate::leash::on_finding), and before any panic.
    fn finding(&self, finding: &Finding) {
        let _ = finding;
    }
}

/// The program keeps another reference to its observer.
impl<T: Observer + ?Sized> Observer for Arc<T> {
    fn statement(&self, statement: &Statement<'_>) {
        (**self).statement(statement);
    }

    fn wait(&self, wait: &Wait<'_>) {
        (**self).wait(wait);
    }

    fn hold(&self, hold: &Hold<'_>) {
        (**self).hold(hold);
    }

    fn opened(&self, opened: &Opened<'_>) {
        (**self).opened(opened);
    }

    fn closed(&self, closed: &Closed<'_>) {
        (**self).closed(closed);
    }

    fn finding(&self, finding: &Finding) {
        (**self).finding(finding);
    }
}

/// A place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Site<'a> {
    /// The function around it: `code.function.name`. `None` in code without `#[track]`.
    pub function: Option<&'a str>,
    /// The source file, as the compiler names it: `code.file.path`.
    pub file: &'a str,
    /// The line, from 1: `code.line.number`.
    pub line: u32,
    /// The column, from 1, in characters: `code.column.number`.
    pub column: u32,
}

// Not `Pool`: of two types of one name, the compiler writes out the path in each error about a pool.
/// A pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PoolRef<'a> {
    /// The number of the pool: [`PoolStats::id`](crate::leash::PoolStats::id).
    pub id: u64,
    /// Its name, with a number where an older living pool has the same one: `db.client.connection.pool.name`.
    pub label: &'a str,
    /// The database system: `db.system.name`.
    pub system: &'a str,
    /// The database: `db.namespace`.
    pub namespace: Option<&'a str>,
}

/// A statement that has ended, or was given up.
///
/// One whose result a cache had was not sent, and is not told: the snapshot counts it as `saved`. Begin, commit and rollback
/// are no statements.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Statement<'a> {
    /// The operation: `db.operation.name`. One of a fixed list of words, and `_OTHER` for all others, so that it is fit for a
    /// label whatever the texts are.
    pub operation: &'a str,
    /// Operation and targets: `db.query.summary`. It has no literal, and is fit for a label.
    pub summary: &'a str,
    /// The text as it was sent, without the bound values: `db.query.text`. Of a long text, the first 4 KiB. A
    /// remark stands for the texts of a call site beyond the first 32, as in the snapshot.
    pub text: &'a str,
    /// Its call site. The function alone, at the place of its name, where the site is not known; `None` for a statement that
    /// belongs to no tracked function.
    pub site: Option<Site<'a>>,
    /// Its pool; `None` on a connection that belongs to none.
    pub pool: Option<PoolRef<'a>>,
    /// The database system: `db.system.name`.
    pub system: &'a str,
    /// How it ended.
    pub outcome: StatementOutcome,
    /// When it was sent. Sent to the pool itself: when its permit was granted.
    pub began: Instant,
    /// When it ended.
    pub ended: Instant,
    /// The database's part of the time between the two: `db.client.operation.duration`. The consumer of a stream has the rest.
    pub time: Duration,
    /// The number of rows read: `db.response.returned_rows`.
    pub rows_returned: u64,
    /// The number of rows that a statement that may write has affected.
    pub rows_affected: u64,
    pub(crate) error: Option<&'a sqlx::Error>,
}

impl<'a> Statement<'a> {
    /// The database's code of the error, without one the kind of sqlx's error, or `cancelled`: `error.type`. `None` where it
    /// ended well.
    pub fn error_type(&self) -> Option<Cow<'a, str>> {
        match self.outcome {
            StatementOutcome::Ok => None,
            StatementOutcome::Error => Some(self.error.map_or(OTHER.into(), error_type)),
            StatementOutcome::Cancelled => Some(CANCELLED.into()),
        }
    }
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatementOutcome {
    /// Well. `RowNotFound` is none of the database's errors.
    Ok,
    /// With an error.
    Error,
    /// It was given up: its future was dropped, or its stream before the last row.
    Cancelled,
}

impl StatementOutcome {
    /// The name in lower case, for a label.
    pub fn name(self) -> &'static str {
        match self {
            StatementOutcome::Ok => "ok",
            StatementOutcome::Error => "error",
            StatementOutcome::Cancelled => CANCELLED,
        }
    }
}

/// The end of a wait for a permit. One that was free at once counts as a wait of no time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Wait<'a> {
    /// Its pool.
    pub pool: PoolRef<'a>,
    /// Where the permit was requested.
    pub site: Site<'a>,
    /// How it ended.
    pub outcome: WaitOutcome,
    /// When the permit was requested.
    pub began: Instant,
    /// The time until the end: `db.client.connection.wait_time`.
    pub time: Duration,
    /// Whether a connection was opened for it.
    pub has_connected: bool,
    pub(crate) error: Option<&'a sqlx::Error>,
}

impl<'a> Wait<'a> {
    /// `PoolTimedOut`, the type of another error as of a [`Statement`], or `cancelled`: `error.type`. `None` where the permit
    /// was granted.
    pub fn error_type(&self) -> Option<Cow<'a, str>> {
        match self.outcome {
            WaitOutcome::Granted => None,
            WaitOutcome::TimedOut | WaitOutcome::Error => {
                Some(self.error.map_or(OTHER.into(), error_type))
            }
            WaitOutcome::Abandoned => Some(CANCELLED.into()),
        }
    }
}

/// How a wait for a permit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitOutcome {
    /// With a permit and a connection.
    Granted,
    /// `acquire_timeout` was over.
    TimedOut,
    /// With another error: no connect succeeds, or the pool is closed.
    Error,
    /// It was dropped.
    Abandoned,
}

impl WaitOutcome {
    /// The name in lower case, for a label.
    pub fn name(self) -> &'static str {
        match self {
            WaitOutcome::Granted => "granted",
            WaitOutcome::TimedOut => "timeout",
            WaitOutcome::Error => "error",
            WaitOutcome::Abandoned => "abandoned",
        }
    }
}

/// A permit that its holder has released. sqlx checks the connection then, before the permit is free again.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Hold<'a> {
    /// Its pool.
    pub pool: PoolRef<'a>,
    /// Where the permit was requested.
    pub site: Site<'a>,
    /// When it was granted.
    pub began: Instant,
    /// The part of the time in which the database was used. The parts together are `db.client.connection.use_time`.
    pub busy: Duration,
    /// The part in which the permit was held and the database was not used.
    pub idle: Duration,
    /// The part in which plain sqlx had the connection.
    pub lent: Duration,
    /// The number of statements sent.
    pub statements: u64,
    /// The reason given to [`long_lived`](crate::leash::HandleExt::long_lived), if it was called. The sums in
    /// [`HoldStats`](crate::leash::HoldStats) have the times of these apart, and do not count them.
    pub reserved: Option<&'a str>,
}

impl Hold<'_> {
    /// The whole time: `db.client.connection.use_time`.
    pub fn time(&self) -> Duration {
        self.busy + self.idle + self.lent
    }
}

/// A connection that a pool has opened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Opened<'a> {
    /// Its pool.
    pub pool: PoolRef<'a>,
    /// Where the permit was requested for which it was opened. `None` where that is not known: sqlx opens the minimum of
    /// connections by itself, and plain sqlx acquires unseen.
    pub site: Option<Site<'a>>,
    /// How long that took, where it is known when it began: `db.client.connection.create_time`.
    /// [`ConnectionStats::connect`](crate::leash::ConnectionStats::connect) has the same times.
    pub time: Option<Duration>,
}

/// A connection of a pool that was closed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Closed<'a> {
    /// Its pool.
    pub pool: PoolRef<'a>,
    /// Why it was closed.
    pub cause: CloseCause,
}

/// Why a connection was closed. [`ClosedBy`](crate::leash::ClosedBy) says how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCause {
    /// By the program: it has closed or detached it, or has closed or dropped the pool.
    Program,
    /// A hook has refused it.
    Hook,
    /// A statement or the return was given up.
    Cancelled,
    /// The acquire that it was for was over.
    AcquireOver,
    /// By the pool, at `max_lifetime`.
    MaxLifetime,
    /// By the pool, at `idle_timeout`.
    IdleTimeout,
    /// By the server, the network or unseen code.
    Elsewhere,
}

impl CloseCause {
    /// The name in lower case, for a label: that of the field of [`ClosedBy`](crate::leash::ClosedBy).
    pub fn name(self) -> &'static str {
        match self {
            CloseCause::Program => "program",
            CloseCause::Hook => "hook",
            CloseCause::Cancelled => CANCELLED,
            CloseCause::AcquireOver => "acquire_over",
            CloseCause::MaxLifetime => "max_lifetime",
            CloseCause::IdleTimeout => "idle_timeout",
            CloseCause::Elsewhere => "elsewhere",
        }
    }
}

const CANCELLED: &str = "cancelled";
/// OpenTelemetry's word for an error of no known type.
const OTHER: &str = "_OTHER";

/// The database's error code; without one, the kind of error. Allocates nothing but what sqlx allocates for a code.
pub(crate) fn error_type(error: &sqlx::Error) -> Cow<'_, str> {
    use sqlx::Error as E;
    if let E::Database(error) = error {
        return error.code().unwrap_or("Database".into());
    }
    let kind = match error {
        E::Configuration(_) => "Configuration",
        E::InvalidArgument(_) => "InvalidArgument",
        E::Io(_) => "Io",
        E::Tls(_) => "Tls",
        E::Protocol(_) => "Protocol",
        E::RowNotFound => "RowNotFound",
        E::TypeNotFound { .. } => "TypeNotFound",
        E::ColumnIndexOutOfBounds { .. } => "ColumnIndexOutOfBounds",
        E::ColumnNotFound(_) => "ColumnNotFound",
        E::ColumnDecode { .. } => "ColumnDecode",
        E::Encode(_) => "Encode",
        E::Decode(_) => "Decode",
        E::AnyDriverError(_) => "AnyDriverError",
        E::PoolTimedOut => "PoolTimedOut",
        E::PoolClosed => "PoolClosed",
        E::WorkerCrashed => "WorkerCrashed",
        #[cfg(feature = "migrate")]
        E::Migrate(_) => "Migrate",
        E::InvalidSavePointStatement => "InvalidSavePointStatement",
        E::BeginFailed => "BeginFailed",
        _ => OTHER,
    };
    kind.into()
}
