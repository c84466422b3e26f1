#![doc = include_str!("lib.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// All names of `leash` exist in both modes, so a label "on feature `track` only" would be wrong on most of them.
// `_sqlite` is the part that `sqlite` and its variants share.
#![cfg_attr(docsrs, doc(auto_cfg(hide(feature = "track", feature = "_sqlite"))))]

// The expansion of `#[track]` names the crate as `::sqlx_leash`, also in this crate's own tests.
extern crate self as sqlx_leash;

// All of sqlx. The documentation lists the names in `listed` instead.
#[cfg_attr(doc, doc(hidden))]
pub use sqlx::*;
#[cfg(doc)]
mod listed;
#[cfg(doc)]
pub use listed::*;

#[cfg(feature = "board")]
mod board;
#[cfg(feature = "cache")]
mod cache;
mod config;
mod finding;
pub mod leash;
mod snapshot;
mod test_data;
#[cfg(feature = "tower")]
mod tower;

#[cfg(not(feature = "track"))]
mod off;
#[cfg(not(feature = "track"))]
pub use sqlx_leash_macros::track_off as track;

#[cfg(feature = "track")]
mod backends;
#[cfg(feature = "track")]
mod doctor;
#[cfg(feature = "track")]
mod handle;
#[cfg(feature = "track")]
mod lifecycle;
#[cfg(feature = "track")]
mod lint;
#[cfg(feature = "track")]
mod log;
#[cfg(feature = "track")]
mod measure;
#[cfg(any(feature = "track", feature = "serde"))]
mod millis;
#[cfg(feature = "track")]
mod observe;
// Not `pool`: that is the name of sqlx's module.
#[cfg(feature = "track")]
mod pool_state;
#[cfg(all(test, feature = "track"))]
mod properties;
#[cfg(feature = "track")]
mod report;
#[cfg(feature = "track")]
mod scope;
#[cfg(feature = "track")]
mod shim;
#[cfg(feature = "track")]
mod site;
#[cfg(feature = "track")]
mod source;
#[cfg(feature = "track")]
mod sql;
#[cfg(any(feature = "track", feature = "cache", feature = "board"))]
mod sync;
#[cfg(feature = "track")]
mod track;
#[cfg(feature = "track")]
mod watchdog;

// Explicit names shadow those of the glob above.
#[cfg(all(feature = "track", feature = "migrate"))]
#[doc(hidden)]
pub use shim::names::testing;
#[cfg(all(feature = "track", feature = "any"))]
pub use shim::names::{AnyPool, any};
#[cfg(all(feature = "track", feature = "mysql"))]
pub use shim::names::{MySqlPool, MySqlTransaction, mysql};
#[cfg(all(feature = "track", feature = "postgres"))]
pub use shim::names::{PgPool, PgTransaction, postgres};
#[cfg(all(feature = "track", feature = "_sqlite"))]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use shim::names::{SqlitePool, SqliteTransaction, sqlite};
#[cfg(feature = "track")]
pub use shim::{
    Acquire, Connection, Pool, Transaction,
    names::{pool, prelude},
};

/// The names that expansions use. Not for other use; changes without notice.
#[cfg(feature = "track")]
#[doc(hidden)]
pub mod __private {
    pub use crate::__asked as asked;
    pub use crate::finding::{Level, Limit, Lint};
    pub use crate::shim::{
        PlainConnection, Sent, Tap, TapAny, Tracked, begin_borrowed, executed, tap, tap_stream,
        tracked_borrowed,
    };
    pub use crate::site::{Site, TrackedFn};
    pub use crate::source::function::{PanicAt, panic_here};
    pub use crate::source::options::Options;
    pub use crate::track::asked::questions::{
        ByDefault, Compared, Failure, Inside, OfAny, OfMySql, OfPostgres, OfSqlite, Slot, Success,
    };
    pub use crate::track::asked::{Asked, Part};
    pub use crate::track::{
        At, Awaiting, ByType, Ended, Lending, Named, Opaque, Round, Scoped, ScopedStream, Spelled,
        at, awaited, awaiting, enter, leave, lending, round, scope_by_type, scope_opaque,
        scope_spelled, scope_stream, typed,
    };
    pub use futures_core::future::BoxFuture;
    pub use futures_core::stream::BoxStream;
}

/// Runs each statement and acquire of a function at its own call site, and the function in a scope of its own.
///
/// In a debug build, the function's return panics where `outlived_scope` (denied by default) or `implicit_rollback` is
/// at deny and its finding is certain.
///
#[cfg(feature = "track")]
pub use sqlx_leash_macros::track;
