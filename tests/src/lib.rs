//! What the test binaries share: pools of their own, places in their sources, what was found, and what stands between a
//! pool and its server.

#![expect(
    clippy::missing_panics_doc,
    reason = "a helper of tests fails by a panic"
)]

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
