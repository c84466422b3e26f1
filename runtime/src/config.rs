//! Levels and limits. Nearest wins: attribute, then environment, then code, then default.

mod error;
#[cfg(feature = "track")]
mod layer;
#[cfg(feature = "track")]
mod parse;

pub use error::ConfigError;
#[cfg(feature = "track")]
pub use layer::Config;
#[cfg(feature = "track")]
pub(crate) use layer::{
    Rules, VARIABLE, has_limit_below, is_off, level, level_of_process, load, may_be_slow,
    query_budget, report_interval, return_timeout, rules,
};
