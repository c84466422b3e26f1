//! Numbers and clocks: histograms, waits, sketches, units, and the times at which the process stood still.

pub(crate) mod begun;
pub(crate) mod bounds;
pub(crate) mod distinct;
pub(crate) mod freeze;
pub(crate) mod histogram;
pub(crate) mod units;
pub(crate) mod waits;
