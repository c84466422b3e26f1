//! What the tests share.

pub use leash_test_support as support;
