//! The face of sqlx, tracked: what shadows which of sqlx's names, and how each works. Nothing else knows sqlx.

// First, so that what it says is said first.
mod one_sqlx;

mod acquire;
mod any_conn;
pub(crate) mod backend;
mod conn;
mod connection;
#[cfg(feature = "postgres")]
mod copy;
mod executor;
mod ext;
mod known;
#[cfg(feature = "postgres")]
mod listener;
mod opening;
mod options;
mod pool;
mod pool_connection;
mod sent;
mod stream;
mod tap;
#[cfg(feature = "migrate")]
mod testing_fn;
mod transaction;

pub(crate) mod names;

pub use acquire::{Acquire, Acquired, begin_borrowed};
pub use any_conn::{AnyConn, Tracked, tracked_borrowed};
pub use backend::Backend;
pub use conn::Conn;
pub use connection::Connection;
pub use ext::{HandleExt, PoolExt};
pub use options::PoolOptions;
pub use pool::Pool;
pub use pool_connection::PoolConnection;
pub use sent::Sent;
pub use tap::{Tap, tap, tap_stream};
pub use transaction::Transaction;
