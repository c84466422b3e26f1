//! Tracked types under sqlx's names. Each takes a call apart, records it, and passes it on to sqlx.

// First, so that its error comes before those that it explains.
mod one_sqlx;

mod acquire;
mod any_conn;
mod arguments;
pub(crate) mod backend;
mod conn;
mod connection;
#[cfg(feature = "postgres")]
mod copy;
mod doctor;
mod driven;
mod executor;
mod ext;
mod hooks;
mod identity;
mod in_memory;
mod in_use;
mod known;
mod lent;
#[cfg(feature = "postgres")]
mod listener;
mod made;
mod opening;
mod options;
mod passage;
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
pub use any_conn::AnyConn;
pub use backend::Backend;
pub use conn::Conn;
pub use connection::Connection;
pub use doctor::doctor;
pub use ext::{HandleExt, PoolExt};
pub use in_use::{Tracked, tracked_borrowed};
pub use options::PoolOptions;
pub use pool::Pool;
pub use pool_connection::PoolConnection;
pub use sent::Sent;
pub use tap::{PlainConnection, Tap, TapAny, executed, tap, tap_stream};
pub use transaction::Transaction;
