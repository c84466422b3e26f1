//! Everything that is ours and not sqlx's: what users name.

/// Pages about the whole crate. They are modules without items: that is how rustdoc shows a page.
pub mod guide {
    #[doc = include_str!("guide/limits.md")]
    pub mod limits {}

    #[doc = include_str!("guide/settings.md")]
    pub mod settings {}

    #[doc = include_str!("guide/events.md")]
    pub mod events {}

    #[doc = include_str!("guide/cost.md")]
    pub mod cost {}

    #[doc = include_str!("guide/features.md")]
    pub mod features {}

    #[doc = include_str!("guide/versions.md")]
    pub mod versions {}
}

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
