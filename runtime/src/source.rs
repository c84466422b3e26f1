//! The source as `#[track]` and the compiler record it: functions, places and names, without counters.

pub(crate) mod evidence;
pub(crate) mod extent;
pub(crate) mod function;
pub(crate) mod late;
mod name;
pub(crate) mod options;
pub(crate) mod place;
