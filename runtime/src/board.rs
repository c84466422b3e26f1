//! A live page: who holds which permit, who waits and for what, the findings, the statements of each call site.
//!
//! The page only shows. It is the same with and without `track`, and says so where nothing is tracked.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

mod answers;
mod listen;
mod request;
mod response;
#[cfg(feature = "track")]
mod rows;
mod state;
mod text;

pub use answers::Board;
pub use response::Response;

/// Answers one request with a page for this machine alone. See [`Board::respond`].
///
/// The page shows the findings from the first call on. To have those before it, make a [`Board`] where the program starts.
pub fn respond<'h>(method: &str, path: &str, host: impl Into<Option<&'h str>>) -> Response {
    Board::new().respond(method, path, host)
}

/// Serves a page for this machine alone, from a thread of its own. See [`Board::listen`].
///
/// ```no_run
/// let address = sqlx_leash::leash::board::listen("127.0.0.1:6670")?;
/// println!("http://{address}/");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// The address is in use, is none, or is not a loopback address.
pub fn listen(address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
    Board::new().listen(address)
}
