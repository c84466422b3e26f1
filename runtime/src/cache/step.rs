//! The steps of the cache that other threads see one by one. Tests run them in every order.

#[cfg(test)]
pub(super) use super::tests::schedule::{ignores_epochs, step};

#[cfg(not(test))]
#[inline]
pub(super) fn step() {}
