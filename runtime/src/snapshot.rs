//! What the tracker knows at one moment, as plain data for readers.
//!
//! Nothing here refers back to the tracker: a snapshot can be kept, compared, sent elsewhere.

use std::time::Duration;

use crate::finding::{CallSite, Level, Lint};

mod since;
mod timing;

pub use timing::{Bucket, Timing};

/// Everything the tracker knows, at one moment. Taken by [`leash::snapshot`](crate::leash::snapshot).
///
/// Counters, sums and buckets only grow; [`since`](Snapshot::since) gives what an interval added. `Display` is a table.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// One row per call site and statement text, busiest first (by total time).
    pub sites: Vec<SiteStats>,
    /// One row per place that takes handles: how long it queues, apart from its statements.
    pub acquires: Vec<AcquireStats>,
    /// Every live handle, oldest first.
    pub handles: Vec<HandleInfo>,
    /// Everyone who waits for a permit, longest first.
    pub waiters: Vec<WaiterInfo>,
    /// Every pool that is alive.
    pub pools: Vec<PoolStats>,
    /// One row per lint: its level and what it found.
    pub lints: Vec<LintStats>,
    /// The tracker's own size.
    pub tracker: TrackerStats,
}

/// The counters of one call site and one statement text.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SiteStats {
    /// The source file; `None` for statements of code that is not tracked.
    pub file: Option<String>,
    /// The line, from 1; that of the function's name where only the function is known, 0 where not even that.
    pub line: u32,
    /// The column of the method's name, from 1, in characters; 0 where it is not known.
    pub column: u32,
    /// The function around it; `None` in code that is not tracked.
    pub function: Option<String>,
    /// The statement's text as sent, without its bound values, at most 4 KiB of it.
    pub sql: String,
    /// Operation and targets: `SELECT exam`.
    pub summary: String,
    /// How many different texts share this row; more than 1 only where a call site went over its limit of texts.
    /// Above 1 an estimate, with a standard error of 13 %.
    pub texts: u64,
    /// Statements begun.
    pub calls: u64,
    /// Statements that went well; no row is no error.
    pub ok: u64,
    /// Statements that failed.
    pub errors: u64,
    /// Statements given up half-way: the future was dropped, or the stream was not read to its end.
    pub cancelled: u64,
    /// Rows read.
    pub rows_returned: u64,
    /// Rows written, as the database says.
    pub rows_affected: u64,
    /// How long statements took, without the wait for a permit and without the consumer's time between rows.
    pub time: Timing,
}

impl SiteStats {
    /// Statements running right now: `calls − ok − errors − cancelled`.
    pub fn in_flight(&self) -> u64 {
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
    /// Permits taken.
    pub acquired: u64,
    /// Acquires that gave up after `acquire_timeout`.
    pub timeouts: u64,
    /// Acquires that failed otherwise.
    pub errors: u64,
    /// Acquires that were dropped while waiting.
    pub abandoned: u64,
    /// How long the successful ones waited.
    pub wait: Timing,
}

/// How long the permits of a pool were held, and with what: sums over the handles that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HoldStats {
    /// Handles that have ended.
    pub ended: u64,
    /// Talking to the database.
    pub busy: Duration,
    /// Held, and not talking to it.
    pub idle: Duration,
    /// With plain sqlx: what happens there is not seen.
    pub lent: Duration,
}

impl HoldStats {
    /// How long a permit was held on average.
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
    /// Nothing is sent, nothing is awaited from the database.
    Idle,
    /// A statement is running.
    Busy,
    /// A row stream is open: the consumer holds it, or a row is awaited.
    Streaming,
    /// Plain sqlx has the connection (`&mut PgConnection`, `as_sqlx`): what happens there is not seen.
    Lent,
}

/// One live handle: a claim on one pool permit.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HandleInfo {
    /// A number that no other handle of this process has.
    pub id: u64,
    /// The pool's name.
    pub pool: String,
    /// Where it was taken.
    pub site: CallSite,
    /// The function whose scope it belongs to now; `None` when it belongs to none.
    pub scope: Option<String>,
    /// The functions that handed it up before, innermost first.
    pub handed_up: Vec<String>,
    /// The name of the tracing span in which it was asked for.
    pub span: Option<String>,
    /// The task that took it: an opaque number, the same for handles of one task while that task lives.
    pub task: Option<u64>,
    /// Time since it was taken.
    pub age: Duration,
    /// What it is doing.
    pub activity: Activity,
    /// Time since it last talked to the database; `None` while it does or while it is lent.
    pub idle: Option<Duration>,
    /// Of its whole life, the time in which it talked to the database.
    pub busy_total: Duration,
    /// Of its whole life, the time in which it was held and did not talk to the database.
    pub idle_total: Duration,
    /// Of its whole life, the time in which plain sqlx had it.
    pub lent_total: Duration,
    /// Open transactions and savepoints on it.
    pub transaction_depth: u32,
    /// Statements sent on it.
    pub statements: u64,
    /// Rows read from its open stream.
    pub stream_rows: u64,
    /// Why it is meant to live long, if somebody said so.
    pub reserved: Option<String>,
    /// Its last operations, latest first.
    pub operations: Vec<Operation>,
}

/// Something that was done with a handle.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Operation {
    /// Operation and targets: `SELECT exam`, `begin`, `commit`.
    pub summary: String,
    /// Where, if known.
    pub site: Option<CallSite>,
    /// Time since it began.
    pub age: Duration,
}

/// Somebody who waits for a permit.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WaiterInfo {
    /// The pool's name.
    pub pool: String,
    /// Where the wait began.
    pub site: CallSite,
    /// The function that waits.
    pub scope: Option<String>,
    /// The name of the tracing span in which the wait began.
    pub span: Option<String>,
    /// The task that waits: an opaque number, as for handles.
    pub task: Option<u64>,
    /// Time since the wait began.
    pub age: Duration,
}

/// One pool.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolStats {
    /// A number that no other pool of this process has.
    pub id: u64,
    /// Its name: given by [`PoolExt::named`](crate::leash::PoolExt::named), else where it leads, without password.
    pub name: String,
    /// The database's name by OpenTelemetry: `postgresql`, `mysql`, `sqlite`.
    pub system: String,
    /// Where it was connected.
    pub site: CallSite,
    /// The most connections it may have.
    pub max_connections: u32,
    /// Connections open or being opened, idle ones among them.
    pub size: u32,
    /// Connections nobody holds.
    pub idle: u32,
    /// Handles alive.
    pub handles: u64,
    /// Those of them that are meant to live long.
    pub reserved: u64,
    /// Permits given back by their holders and not there again yet: sqlx checks the connection first.
    pub returning: u64,
    /// Acquires waiting.
    pub waiting: u64,
    /// Whether plain sqlx has been given this pool: what it takes is not seen.
    pub lent: bool,
    /// Whether it is closed.
    pub closed: bool,
    /// Permits taken since the pool was made.
    pub acquired: u64,
    /// Acquires that gave up after `acquire_timeout`.
    pub timeouts: u64,
    /// Acquires that failed otherwise.
    pub acquire_errors: u64,
    /// Acquires that were dropped while waiting.
    pub abandoned: u64,
    /// Connections detached.
    pub detached: u64,
    /// Connections leaked by `leak()`.
    pub leaked: u64,
    /// Connections closed because their return took longer than `return_timeout`.
    pub returns_cut: u64,
    /// How long acquires waited, the successful ones.
    pub wait: Timing,
    /// How long permits were held.
    pub holds: HoldStats,
    /// What was sent for the driver's own bookkeeping, which no call site counts.
    pub control: ControlStats,
}

/// Operations that are no statements of the user's.
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

/// What one lint has found.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LintStats {
    /// The lint.
    pub lint: Lint,
    /// Its level, attributes aside.
    pub level: Level,
    /// Findings, those allowed not counted.
    pub found: u64,
    /// Those of them that were not logged because one like them just was.
    pub suppressed: u64,
}

/// The tracker's own size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TrackerStats {
    /// Rows of counters.
    pub rows: u64,
    /// Entries of the live map: handles and waiters.
    pub live: u64,
    /// Scopes that have sent a statement or taken a handle and have not ended.
    pub scopes: u64,
    /// Pools alive.
    pub pools: u64,
    /// Bytes held by all this, estimated.
    pub bytes: u64,
}
