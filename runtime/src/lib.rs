#![doc = include_str!("lib.md")]

// Lets the expansion of `#[track]` name the crate by its own name in its own doc tests.
extern crate self as sqlx_leash;

pub use sqlx::*;

mod config;
pub mod leash;
mod lint;
mod snapshot;

#[cfg(not(feature = "track"))]
mod off;
#[cfg(not(feature = "track"))]
pub use sqlx_leash_macros::track_off as track;

#[cfg(feature = "track")]
mod acquires;
#[cfg(feature = "track")]
mod call;
#[cfg(feature = "track")]
mod context;
#[cfg(feature = "track")]
mod distinct;
#[cfg(feature = "track")]
mod driver;
#[cfg(feature = "track")]
mod foreign;
#[cfg(feature = "track")]
mod handle;
#[cfg(feature = "track")]
mod histogram;
#[cfg(feature = "track")]
mod on;
// `pool` is sqlx's module to users; ours is named for what it keeps.
#[cfg(feature = "track")]
mod pool_state;
#[cfg(feature = "track")]
mod probe;
#[cfg(all(test, feature = "track"))]
mod properties;
#[cfg(feature = "track")]
mod render;
#[cfg(feature = "track")]
mod report;
#[cfg(feature = "track")]
mod scope;
#[cfg(feature = "track")]
mod site;
#[cfg(feature = "track")]
mod summary;
#[cfg(feature = "track")]
mod table;
#[cfg(feature = "track")]
mod tally;
#[cfg(feature = "track")]
mod tracked;
#[cfg(feature = "track")]
mod units;
#[cfg(feature = "track")]
mod waits;
#[cfg(feature = "track")]
mod watchdog;

// Explicit names win over the glob above: these shadow sqlx's.
#[cfg(all(feature = "track", feature = "migrate"))]
#[doc(hidden)]
pub use driver::names::testing;
#[cfg(all(feature = "track", feature = "any"))]
pub use driver::names::{AnyPool, any};
#[cfg(all(feature = "track", feature = "mysql"))]
pub use driver::names::{MySqlPool, MySqlTransaction, mysql};
#[cfg(all(feature = "track", feature = "postgres"))]
pub use driver::names::{PgPool, PgTransaction, postgres};
#[cfg(all(feature = "track", feature = "_sqlite"))]
pub use driver::names::{SqlitePool, SqliteTransaction, sqlite};
#[cfg(feature = "track")]
pub use driver::{
    Acquire, Connection, Pool, Transaction,
    names::{pool, prelude},
};

/// What expansions name. Not for use by people; changes without notice.
#[cfg(feature = "track")]
#[doc(hidden)]
pub mod __private {
    pub use crate::__returned as returned;
    pub use crate::driver::{
        Sent, Tap, Tracked, begin_borrowed, tap, tap_stream, tracked_borrowed,
    };
    pub use crate::lint::{Level, Limit, Lint};
    pub use crate::probe::{Look, Probe, Returned};
    pub use crate::site::{Function, Site, Stop, Written, stop};
    pub use crate::tracked::{
        At, Ended, Named, Scoped, ScopedStream, at, enter, leave, scope, scope_stream,
    };
    pub use futures_core::future::BoxFuture;
    pub use futures_core::stream::BoxStream;
}

/// Runs each statement and acquire of a function at its own call site, and the function in a scope of its own.
#[cfg(feature = "track")]
pub use sqlx_leash_macros::track;
