//! Everything that is ours and not sqlx's: what users name.

pub use crate::config::ConfigError;
pub use crate::lint::{
    CallSite, Certainty, Fact, Finding, Level, Limit, Lint, Related, UnknownName, Verdict, explain,
};
pub use crate::snapshot::{
    AcquireStats, Activity, Bucket, ControlStats, HandleInfo, HoldStats, LintStats, Operation,
    PoolStats, SiteStats, Snapshot, Timing, TrackerStats, WaiterInfo,
};

#[cfg(not(feature = "track"))]
pub use crate::off::*;

#[cfg(feature = "track")]
pub use crate::{
    config::Config,
    driver::{Acquired, AnyConn, Backend, Conn, HandleExt, PoolExt},
    on::{InScope, ScopeExt, on_finding, report, scope, snapshot, spawn_reporter, testing},
};
