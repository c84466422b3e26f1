//! What the test binaries share: pools of their own, places in their sources, what was found, and what stands between a
//! pool and its server.

#![expect(
    clippy::missing_panics_doc,
    reason = "a helper of tests fails by a panic"
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

mod child;
mod heard;
mod pool;
mod proxy;
mod settled;
mod source;
mod until;
mod whole;

pub use child::{Printed, in_child};
pub use heard::{heard, listen, take_heard};
pub use leash_test_support as support;
pub use pool::{HUNDRED, TestPool, Tx, exams};
pub use proxy::{Cut, Fate, Proxy};
pub use settled::settled;
pub use source::{Place, declared, marked, path_of};
pub use until::until;
pub use whole::{IsInside, assert_whole};
