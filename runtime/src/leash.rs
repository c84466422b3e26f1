//! Everything that is ours and not sqlx's: what users name.

pub use crate::config::ConfigError;
pub use crate::finding::{
    CallSite, Certainty, Fact, Finding, Level, Limit, Lint, Related, UnknownName, Verdict, explain,
};
pub use crate::snapshot::{
    AcquireStats, Activity, Bucket, ControlStats, HandleInfo, HoldStats, LintStats, Operation,
    PoolStats, SiteStats, Snapshot, Timing, TrackerStats, WaiterInfo,
};

#[cfg(feature = "track")]
pub mod testing;

#[cfg(not(feature = "track"))]
pub use crate::off::*;

#[cfg(feature = "track")]
pub use crate::{
    config::Config,
    lint::on_finding,
    report::{
        collect::snapshot,
        reporter::{report, spawn_reporter},
    },
    shim::{Acquired, AnyConn, Backend, Conn, HandleExt, PoolExt},
    track::in_scope::{InScope, ScopeExt, scope},
};
