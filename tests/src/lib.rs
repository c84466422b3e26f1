//! Shared by the test binaries: pools with their own databases, places in test sources, received findings, and a proxy
//! between a pool and its server.

#![expect(
    clippy::missing_panics_doc,
    reason = "a test helper reports a failure by a panic"
)]

/// An unsafe function stays one, with no warning and no error more.
///
/// In an example, because the lint that forbids unsafe code in this workspace does not reach into one.
///
/// ```
/// #![deny(warnings)]
///
/// /// # Safety
/// ///
/// /// The pointer is good.
/// #[sqlx::track]
/// async unsafe fn dangerous(pointer: *const u8) -> u8 {
///     unsafe { *pointer }
/// }
///
/// #[tokio::main]
/// async fn main() {
///     assert_eq!(unsafe { dangerous(&raw const *&1).await }, 1);
/// }
/// ```
///
/// ```compile_fail,E0133
/// #[sqlx::track]
/// async unsafe fn dangerous(pointer: *const u8) -> u8 {
///     unsafe { *pointer }
/// }
///
/// let _future = dangerous(&raw const *&1);
/// ```
#[cfg(doctest)]
mod unsafe_functions {}

mod browser;
mod child;
mod pool;
mod pooler;
mod proxy;
mod received;
mod scrape;
mod settled;
mod source;
mod told;
mod until;
mod whole;

pub use browser::Browser;
pub use child::{Printed, in_child};
pub use leash_test_support as support;
pub use pool::{HUNDRED, TestPool, Tx, exams, in_memory};
pub use pooler::{MySqlPooler, PgPooler};
pub use proxy::{Cut, Fate, Proxy};
pub use received::{listen, received, take_received};
pub use scrape::{Sample, Scrape};
pub use settled::settled;
pub use source::{Place, declared, marked, path_of, written};
pub use told::{OfPool, OfSite, assert_told_of, observe, told_findings};
pub use until::until;
pub use whole::{IsInside, assert_whole};
