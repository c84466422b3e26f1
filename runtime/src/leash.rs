//! Everything that this crate adds to sqlx, under the names that programs use.
//!
//! # Locking
//!
//! The tracker holds no lock while code of the program runs: no callback, no subscriber, no panic. With `track`, these
//! functions take locks that other threads may wait for:
//!
//! | function | locks | while | meanwhile waits |
//! | --- | --- | --- | --- |
//! | [`snapshot`], [`report`] | the list of statements' counters | it is copied | a statement with a new text |
//! | | one of 128 shards of the live handles at a time | it is copied | an acquire, or a return to a pool |
//! | | a handle | it is read | an operation on that handle |
//! | [`prometheus`] | the same | it is copied | the same |
//! | [`health`] | the shards and a handle, as above | it is copied or read | an acquire, a return, an operation on that handle |
//! | | what is known of a pool's service | it is read | an acquire of that pool that has failed |
//! | `board::Board::respond` | the same, and the list of the last findings | it is copied | a finding that is being reported |
//! | [`doctor()`] | the list of pools | it is copied | a pool that is being made or dropped |
//! | [`observe`] | the list of pools | it is copied | a pool that is being made or dropped |
//! | [`on_finding`] | the list of callbacks | one is added | a finding that is being reported |
//! | a request in `tower::RequestLayer` | the table of routes | a route is looked up, under a lock that readers share | a request of a new route |
//! | [`scope()`] | the table of names | a name is looked up | a call of these |
//! | the functions and macros of [`testing`] | the same table | a name is looked up | a call of these |

/// Pages about the whole crate. Each is a module without items, because rustdoc shows those as pages.
pub mod guide {
    #[doc = include_str!("guide/compiling.md")]
    pub mod compiling {}

    #[doc = include_str!("guide/limits.md")]
    pub mod limits {}

    #[doc = include_str!("guide/settings.md")]
    pub mod settings {}

    // Its examples run with the feature only.
    #[cfg(any(not(doctest), all(feature = "track", feature = "_sqlite")))]
    #[doc = include_str!("guide/testing.md")]
    pub mod testing {}

    // Its example runs with the feature only.
    #[cfg(any(not(doctest), all(feature = "track", feature = "_sqlite")))]
    #[doc = include_str!("guide/doctor.md")]
    pub mod doctor {}

    // Its examples run with the feature only.
    #[cfg(any(not(doctest), all(feature = "track", feature = "_sqlite")))]
    #[doc = include_str!("guide/health.md")]
    pub mod health {}

    #[doc = include_str!("guide/events.md")]
    pub mod events {}

    #[doc = include_str!("guide/spans.md")]
    pub mod spans {}

    #[doc = include_str!("guide/logs.md")]
    pub mod logs {}

    // Its example runs with the feature only.
    #[cfg(any(not(doctest), all(feature = "track", feature = "_sqlite")))]
    #[doc = include_str!("guide/observe.md")]
    pub mod observe {}

    #[doc = include_str!("guide/size.md")]
    pub mod size {}

    #[doc = include_str!("guide/metrics.md")]
    pub mod metrics {}

    #[doc = include_str!("guide/cost.md")]
    pub mod cost {}

    #[cfg(feature = "board")]
    #[doc = include_str!("guide/board.md")]
    pub mod board {}

    #[cfg(feature = "tower")]
    #[doc = include_str!("guide/requests.md")]
    pub mod requests {}

    #[cfg(feature = "cache")]
    #[doc = include_str!("guide/caching.md")]
    pub mod caching {}

    #[doc = include_str!("guide/features.md")]
    pub mod features {}

    #[doc = include_str!("guide/versions.md")]
    pub mod versions {}
}

pub use crate::config::{ConfigError, Events, Spans};
pub use crate::finding::{
    CallSite, Certainty, Fact, Finding, Level, Limit, Lint, Numbers, Related, UnknownName, Verdict,
    explain,
};
pub use crate::snapshot::{
    AcquireStats, Activity, Bucket, Check, CheckVerdict, ClosedBy, ConnectionStats, ControlStats,
    DemandStats, Diagnosis, HandleInfo, Health, HealthStatus, HoldStats, LentTo, LintStats,
    LongestStatement, Operation, PoolHealth, PoolStats, RepeatedSite, RequestStats, Setting,
    SettingValue, SiteHandles, SiteStats, Snapshot, StatusStats, Timing, TrackerStats,
    TransactionFailure, TransactionInfo, WaiterInfo, WriteLockInfo,
};

/// What an [`Observer`] is told. See [`guide::observe`].
pub mod observed {
    pub use crate::snapshot::observed::{
        CloseCause, Closed, Hold, Opened, PoolRef, Site, Statement, StatementOutcome, Wait,
        WaitOutcome,
    };
}
pub use crate::snapshot::observed::Observer;

/// A live page. See [`guide::board`].
#[cfg(feature = "board")]
pub mod board {
    pub use crate::board::{Board, Response, listen, respond};
}

/// A cache that a writer clears. See [`guide::caching`].
#[cfg(feature = "cache")]
pub mod cache {
    pub use crate::cache::{CacheStats, Cached, Writing};
}

/// Requests, as a layer for services of tower: axum, tonic, hyper. See [`guide::requests`].
#[cfg(feature = "tower")]
pub mod tower {
    #[cfg(feature = "board")]
    pub use crate::tower::{BoardService, PageBody, board_service};
    pub use crate::tower::{RequestLayer, RequestService, ResponseBody, ResponseFuture};
}

#[cfg(feature = "track")]
pub mod testing;

#[cfg(not(feature = "track"))]
pub use crate::off::*;

#[cfg(feature = "track")]
pub use crate::{
    config::Config,
    lint::on_finding,
    observe::observe,
    report::{
        collect::snapshot,
        health::health,
        prometheus::prometheus,
        reporter::{report, spawn_reporter},
    },
    shim::{Acquired, AnyConn, Backend, Conn, HandleExt, PoolExt, doctor},
    track::in_scope::{InScope, ScopeExt, scope},
};
