//! What the paired benchmarks share: a harness that runs two contenders in turn, and the operations they run.

pub mod contender;
pub mod paired;
