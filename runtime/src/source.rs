//! The source as `#[track]` and the compiler wrote it down: functions, places, names. Constant data, no counters.

pub(crate) mod extent;
pub(crate) mod function;
mod name;
pub(crate) mod place;
