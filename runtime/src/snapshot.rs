//! The state of the tracker at one moment, as plain data.
//!
//! Nothing here refers back to the tracker: a snapshot can be kept, compared and sent elsewhere.
//!
//! With the feature `serde` it can be serialised. A time is then a number of milliseconds, and its name ends in `_ms`, as in events.

use std::time::Duration;

use crate::finding::{CallSite, Level, Lint};

mod by_site;
mod demand;
mod diagnosis;
mod health;
pub(crate) mod observed;
mod requests;
mod since;
mod timing;

pub use by_site::SiteHandles;
pub use demand::DemandStats;
pub use diagnosis::{Check, CheckVerdict, Diagnosis, Setting, SettingValue};
pub use health::{Health, HealthStatus, PoolHealth};
pub use requests::{LongestStatement, RepeatedSite, RequestStats, StatusStats};
pub use timing::{Bucket, Timing};

/// The state of the tracker at one moment. [`leash::snapshot`](crate::leash::snapshot) takes it.
///
/// Counters, sums and buckets only grow. [`since`](Snapshot::since) returns what an interval added. `Display` prints
/// tables. It lists up to 20 live handles one by one, the longest unused first, and more of them [by the place that took
/// them](Snapshot::by_site); and so it does with waiting acquires.
///
/// Serialised, with the feature `serde`, a time is a number of milliseconds whose name ends in `_ms`, and a [`Timing`] has its
/// percentiles in place of its buckets.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// One row per call site and statement text, busiest first (by total time).
    pub sites: Vec<SiteStats>,
    /// One row per place that takes handles: how long it waits for permits, without its statements.
    pub acquires: Vec<AcquireStats>,
    /// One row per method and route, longest time with the database first. Empty without `leash::tower::RequestLayer`.
    pub requests: Vec<RequestStats>,
    /// Every live handle, oldest first.
    pub handles: Vec<HandleInfo>,
    /// Every waiting acquire, longest wait first.
    pub waiters: Vec<WaiterInfo>,
    /// Every live pool, oldest first.
    pub pools: Vec<PoolStats>,
    /// One row per lint: its level and the number of its findings.
    pub lints: Vec<LintStats>,
    /// The time that the counters cover: since the first pool was used or the first statement was sent. After
    /// [`since`](Self::since), the time between the two snapshots.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "over_ms", serialize_with = "crate::millis::serialize")
    )]
    pub over: Duration,
    /// The size of the tracker itself.
    pub tracker: TrackerStats,
}

/// The counters of one call site and one statement text.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SiteStats {
    /// The source file; `None` for statements of untracked code.
    pub file: Option<String>,
    /// The line, from 1. If only the function is known, the line of its name; 0 if that is not known either.
    pub line: u32,
    /// The column of the method's name, from 1, in characters; 0 if it is not known.
    pub column: u32,
    /// The function around it; `None` in untracked code.
    pub function: Option<String>,
    /// The text of the statement as it was sent, without bound values; at most its first 4 KiB.
    pub sql: String,
    /// Operation and targets: `SELECT exam`.
    pub summary: String,
    /// The number of different texts that share this row. It is 1, except in the row for the texts of a place beyond
    /// its limit, where it is an estimate with a standard error of 13 %.
    pub texts: u64,
    /// Statements begun.
    pub calls: u64,
    /// Statements that succeeded. A query that finds no row succeeds.
    pub ok: u64,
    /// Statements that failed.
    pub errors: u64,
    /// Statements that were cancelled: the future was dropped, or the stream was not read to its end.
    pub cancelled: u64,
    /// Rows read.
    pub rows_returned: u64,
    /// Rows written, as the database reports them.
    pub rows_affected: u64,
    /// Statements that were not sent, because a `leash::cache::Cached` had the result: reads that it answered without
    /// their loader. They count where its loader sent its last statement.
    pub saved: u64,
    /// The [label](PoolStats::label) of the pool to which all of its statements went. `None` if they went to several, if the pool
    /// is gone, and for connections that belong to no pool.
    pub pool: Option<String>,
    /// The number of that pool, also when it is gone: [`PoolStats::id`].
    pub pool_id: Option<u64>,
    /// Whether the statements went to more than one pool. A pool that was made anew is another one, whatever its name.
    pub several_pools: bool,
    /// How long the statements took. The wait for a permit and the consumer's time between rows do not count.
    pub time: Timing,
}

impl SiteStats {
    /// The number of statements that are running now: `calls − ok − errors − cancelled`.
    pub fn in_flight(&self) -> u64 {
        // Saturating: in an interval, more statements may end than begin.
        self.calls
            .saturating_sub(self.ok + self.errors + self.cancelled)
    }
}

/// The counters of one place that takes handles.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AcquireStats {
    /// The place.
    pub site: CallSite,
    /// Acquires that were granted a permit.
    pub acquired: u64,
    /// Acquires that timed out after `acquire_timeout`.
    pub timeouts: u64,
    /// Acquires that failed for another reason.
    pub errors: u64,
    /// Acquires that were dropped while waiting.
    pub abandoned: u64,
    /// Connections that were opened for them. A pool opens others for itself, to keep `min_connections`.
    pub opened: u64,
    /// How long the granted acquires waited.
    pub wait: Timing,
}

/// How long the permits of a pool were held, by activity. The times are sums over the handles that have ended, without
/// those that were meant to live long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HoldStats {
    /// Handles that have ended, without those that were meant to live long.
    pub ended: u64,
    /// Time in which the handles used the database.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "busy_ms", serialize_with = "crate::millis::serialize")
    )]
    pub busy: Duration,
    /// Time in which the handles were held and did not use the database.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "idle_ms", serialize_with = "crate::millis::serialize")
    )]
    pub idle: Duration,
    /// Time in which plain sqlx had the connections. Their use is not seen then.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "lent_ms", serialize_with = "crate::millis::serialize")
    )]
    pub lent: Duration,
    /// How long the handles that were meant to live long were held. It is no part of the times above.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "reserved_ms", serialize_with = "crate::millis::serialize")
    )]
    pub reserved: Duration,
    /// How long each handle was held, without those that were meant to live long.
    pub time: Timing,
}

impl HoldStats {
    /// How long a permit was held on average; zero if none has ended.
    pub fn mean(&self) -> Duration {
        let ended = u32::try_from(self.ended).unwrap_or(u32::MAX);
        (self.busy + self.idle + self.lent)
            .checked_div(ended)
            .unwrap_or_default()
    }
}

/// What a live handle is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Activity {
    /// It does not use the database.
    Idle,
    /// A statement is running.
    Busy,
    /// A row stream is open: its consumer has a row, or waits for one.
    Streaming,
    /// Plain sqlx was given the connection (`&mut PgConnection`), and what is done with it is not seen.
    Lent,
}

/// A live handle: a claim on one permit of a pool.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HandleInfo {
    /// A number that is unique among the handles of this process.
    pub id: u64,
    /// The pool's name.
    pub pool: String,
    /// The number of the pool: [`PoolStats::id`].
    pub pool_id: u64,
    /// Where it was taken.
    pub site: CallSite,
    /// The function whose scope it belongs to; `None` if it belongs to no scope.
    pub scope: Option<String>,
    /// The functions that have returned it to their caller, innermost first.
    pub handed_up: Vec<String>,
    /// The name of the tracing span in which it was requested.
    pub span: Option<String>,
    /// The task that took it: an opaque number, which is the same for all handles of a task while the task lives.
    pub task: Option<u64>,
    /// Time since it was taken.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "age_ms", serialize_with = "crate::millis::serialize")
    )]
    pub age: Duration,
    /// What it is doing.
    pub activity: Activity,
    /// Time since it last used the database; `None` while it does, while a stream is open, and while it is lent.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "idle_ms", serialize_with = "crate::millis::serialize")
    )]
    pub idle: Option<Duration>,
    /// The part of its life in which it used the database.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "busy_total_ms", serialize_with = "crate::millis::serialize")
    )]
    pub busy_total: Duration,
    /// The part of its life in which it was held and did not use the database.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "idle_total_ms", serialize_with = "crate::millis::serialize")
    )]
    pub idle_total: Duration,
    /// The part of its life in which plain sqlx had the connection.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "lent_total_ms", serialize_with = "crate::millis::serialize")
    )]
    pub lent_total: Duration,
    /// The tracked function that was lent its connection and has used it; `None` once its holder uses it again.
    pub lent_to: Option<LentTo>,
    /// The number of open transactions and savepoints on it. Savepoints that statements set do not count.
    pub transaction_depth: u32,
    /// The transaction that is open on it.
    pub transaction: Option<TransactionInfo>,
    /// The session locks that statements have taken on it and not released, by function: `pg_advisory_lock`, `GET_LOCK`.
    pub session_locks: Vec<String>,
    /// The number of statements sent on it.
    pub statements: u64,
    /// The number of rows read from its open stream.
    pub stream_rows: u64,
    /// The reason given to [`long_lived`](crate::leash::HandleExt::long_lived), if it was called.
    pub reserved: Option<String>,
    /// Its last operations, latest first.
    pub operations: Vec<Operation>,
}

/// A transaction that is open on a handle, as far as the program knows.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TransactionInfo {
    /// Where it was begun.
    pub site: CallSite,
    /// Time since it was begun.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "age_ms", serialize_with = "crate::millis::serialize")
    )]
    pub age: Duration,
    /// Whether a statement has begun it (`BEGIN`). Otherwise a `Transaction` value stands for it.
    pub by_statement: bool,
    /// The number of statements sent in it.
    pub statements: u64,
    /// The error after which it cannot go on.
    pub failure: Option<TransactionFailure>,
    /// SQLite's lock for writing, which it keeps until it ends; `None` if it does not have it, and of other databases.
    pub write_lock: Option<WriteLockInfo>,
}

/// SQLite's lock for writing: nobody else can write to the database meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WriteLockInfo {
    /// Time since the transaction got it.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "age_ms", serialize_with = "crate::millis::serialize")
    )]
    pub age: Duration,
    /// Whether it certainly has it. A statement that was given up, or that changes the schema, may not have needed it.
    pub certain: bool,
}

/// An error of the database after which a transaction cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TransactionFailure {
    /// Operation and targets of the statement that failed.
    pub statement: String,
    /// Its call site, if that is known.
    pub site: Option<CallSite>,
    /// The code of the error: the SQLSTATE, with the number before it for MySQL and MariaDB, or SQLite's extended code.
    pub code: String,
    /// Time since it failed.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "age_ms", serialize_with = "crate::millis::serialize")
    )]
    pub age: Duration,
    /// Whether the database has rolled back the whole transaction, so that later statements run outside of it. Otherwise it
    /// refuses them, and turns the commit into a rollback.
    pub rolled_back: bool,
}

/// A tracked function that was lent the connection of a handle: it takes a `&mut PgConnection`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LentTo {
    /// The function.
    pub function: String,
    /// Whether it has returned.
    pub returned: bool,
}

/// A statement or another operation on a handle.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Operation {
    /// Operation and targets: `SELECT exam`, `begin`, `commit`.
    pub summary: String,
    /// Its call site, if that is known.
    pub site: Option<CallSite>,
    /// Time since it began.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "age_ms", serialize_with = "crate::millis::serialize")
    )]
    pub age: Duration,
}

/// An acquire that waits for a permit.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WaiterInfo {
    /// The pool's name.
    pub pool: String,
    /// The number of the pool: [`PoolStats::id`].
    pub pool_id: u64,
    /// Where the wait began.
    pub site: CallSite,
    /// The function that waits.
    pub scope: Option<String>,
    /// The name of the tracing span in which the wait began.
    pub span: Option<String>,
    /// The task that waits: an opaque number, as for handles.
    pub task: Option<u64>,
    /// Time since the wait began.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "age_ms", serialize_with = "crate::millis::serialize")
    )]
    pub age: Duration,
}

/// One pool.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolStats {
    /// A number that is unique among the pools of this process.
    pub id: u64,
    /// The name that [`PoolExt::named`](crate::leash::PoolExt::named) has set; else its address and database, without
    /// the password.
    pub name: String,
    /// The name, with ` #2`, ` #3` and so on where an older living pool has the same one. It is decided when the pool gets
    /// its name: the lowest number that is free then. No two living pools have the same label.
    pub label: String,
    /// The name of the database system in OpenTelemetry: `postgresql`, `mysql`, `sqlite`.
    pub system: String,
    /// Where it was connected.
    pub site: CallSite,
    /// The largest number of connections that it may have.
    pub max_connections: u32,
    /// The number of connections that it keeps open also while nobody uses them.
    pub min_connections: u32,
    /// Connections that are open or being opened, idle ones included.
    pub size: u32,
    /// Connections that are idle in the pool.
    pub idle: u32,
    /// Live handles.
    pub handles: u64,
    /// Live handles that are meant to live long.
    pub reserved: u64,
    /// Permits that their holders have released and that are not free yet: sqlx checks the connection first.
    pub returning: u64,
    /// Waiting acquires.
    pub waiting: u64,
    /// Whether the pool was handed to plain sqlx. The permits that plain sqlx takes are not seen.
    pub lent: bool,
    /// Whether it is closed.
    pub closed: bool,
    /// Permits granted since the pool was made.
    pub acquired: u64,
    /// Acquires that timed out after `acquire_timeout`.
    pub timeouts: u64,
    /// Acquires that failed for another reason.
    pub acquire_errors: u64,
    /// Acquires that were dropped while waiting.
    pub abandoned: u64,
    /// Connections taken by `detach()`.
    pub detached: u64,
    /// Connections taken by `leak()`.
    pub leaked: u64,
    /// Connections closed because their return took longer than `return_timeout`.
    pub returns_cut: u64,
    /// How long the acquires that were granted a permit waited.
    pub wait: Timing,
    /// How long permits were held.
    pub holds: HoldStats,
    /// What the pool's users needed of it: the facts from which its size follows.
    pub demand: DemandStats,
    /// The connections that it has opened and closed; `None` if they are not counted, because plain sqlx has made the pool
    /// or its options.
    pub connections: Option<ConnectionStats>,
    /// Operations such as begin and commit, which no call site counts.
    pub control: ControlStats,
}

/// The connections that a pool has opened and closed.
///
/// While a connection is being opened, the last ones that were closed may be missing in `closed`, and `open` has them instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Connections that were opened since the pool was made.
    pub opened: u64,
    /// Those among them that are open. A leaked connection is open.
    pub open: u64,
    /// Those among them that were closed. A detached connection is closed for its pool.
    pub closed: u64,
    /// Why they were closed.
    pub closed_by: ClosedBy,
    /// How long it took to open one, of those of which that is known: opened for an acquire that found a permit free, so that
    /// it waited for the connection alone. The check of a dead connection that it found before counts as well.
    pub connect: Timing,
    /// Connects that were given up because the acquire's time was over. The server may have opened these connections; they are
    /// not among `opened`. Counted are acquires that had found a permit free: without a new connection, they were checking an
    /// idle one.
    pub cut: u64,
    /// The part of the pool's `wait` in which a connection was opened.
    pub wait_with_connect: Timing,
    /// The other part.
    pub wait_without_connect: Timing,
}

/// Why connections were closed.
///
/// The program shows most causes where it acts: `program`, `hook`, `cancelled`, `acquire_over`. sqlx does not show when the pool
/// closes a connection by itself. That is inferred, from the ages of the connections and from when the pool was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ClosedBy {
    /// By the program: `close()`, `close_on_drop()`, `detach()`, and the close of the pool.
    pub program: u64,
    /// A hook has refused the connection: `after_connect` or another with an error, `before_acquire` or `after_release` with
    /// `false`. A hook that panicked counts as well.
    pub hook: u64,
    /// A statement was given up in a state in which the connection cannot be used again, or the return was cut by
    /// `return_timeout`.
    pub cancelled: u64,
    /// The acquire timed out or was dropped while a hook ran on its connection: it was opened, or checked, and thrown away.
    pub acquire_over: u64,
    /// By the pool, at `max_lifetime`.
    ///
    /// Inferred, where nothing else is known, from the age: connections are taken to be closed in the order in which they were
    /// opened, and this one was older than `max_lifetime` then.
    pub max_lifetime: u64,
    /// By the pool, at `idle_timeout`.
    ///
    /// Inferred from this: more connections were closed than acquires had begun and handles had ended, so that the pool's own
    /// check must have closed the others. Not claimed for a pool that was handed to plain sqlx, whose acquires are not seen.
    pub idle_timeout: u64,
    /// All others: by the server or the network, by plain sqlx, or by the pool where its reason is not known.
    pub elsewhere: u64,
}

impl ClosedBy {
    /// The number of closed connections.
    pub fn total(&self) -> u64 {
        self.parts().iter().map(|(number, _)| number).sum()
    }

    /// Each cause in words, with its number.
    pub(crate) fn parts(&self) -> [(u64, &'static str); 7] {
        [
            (self.program, "by the program"),
            (self.hook, "refused by a hook"),
            (self.cancelled, "after a cancellation"),
            (self.acquire_over, "with an acquire that was over"),
            (self.max_lifetime, "at max_lifetime"),
            (self.idle_timeout, "at idle_timeout"),
            (self.elsewhere, "by the server, the network or unseen code"),
        ]
    }

    /// The same with those of `other`, each changed by `change`.
    pub(crate) fn with(mut self, other: Self, change: fn(u64, u64) -> u64) -> Self {
        for (number, of_other) in [
            (&mut self.program, other.program),
            (&mut self.hook, other.hook),
            (&mut self.cancelled, other.cancelled),
            (&mut self.acquire_over, other.acquire_over),
            (&mut self.max_lifetime, other.max_lifetime),
            (&mut self.idle_timeout, other.idle_timeout),
            (&mut self.elsewhere, other.elsewhere),
        ] {
            *number = change(*number, of_other);
        }
        self
    }
}

/// The numbers of operations that are no statements of the user's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ControlStats {
    /// Transactions begun.
    pub begins: u64,
    /// Savepoints set: transactions begun inside a transaction.
    pub savepoints: u64,
    /// Transactions and savepoints committed.
    pub commits: u64,
    /// Transactions and savepoints rolled back by `rollback()`.
    pub rollbacks: u64,
    /// Transactions and savepoints dropped while open: sqlx rolls them back.
    pub implicit_rollbacks: u64,
    /// Pings sent by the user.
    pub pings: u64,
    /// Statements prepared by the user.
    pub prepares: u64,
    /// Statements described.
    pub describes: u64,
}

/// The findings of one lint.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LintStats {
    /// The lint.
    pub lint: Lint,
    /// Its level, without those of attributes and single pools.
    pub level: Level,
    /// The number of findings. Allowed ones do not count.
    pub found: u64,
    /// Those among them whose level was deny when they were found. The others were at warn.
    pub denied: u64,
    /// The number of findings that were not logged, because a similar one had just been logged.
    pub suppressed: u64,
}

/// The size of the tracker itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TrackerStats {
    /// The number of rows of counters.
    pub rows: u64,
    /// The number of claims: live handles, waiting acquires and returning permits.
    pub live: u64,
    /// The number of scopes that have sent a statement or taken a handle, and have not ended.
    pub scopes: u64,
    /// The number of live pools.
    pub pools: u64,
    /// An estimate of the bytes that all this takes.
    pub bytes: u64,
}

/// A part as a share of the whole; 0 of nothing.
fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() {
        return 0.0;
    }
    part.as_secs_f64() / whole.as_secs_f64()
}
