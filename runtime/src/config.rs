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
pub(crate) use layer::{VARIABLE, is_off, level, level_of_process, load, report_interval};
