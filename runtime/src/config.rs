//! Levels, limits and settings. The nearest wins: attribute, then environment, then code, then default.

#[cfg(feature = "track")]
mod entry;
mod error;
mod events;
#[cfg(feature = "track")]
mod in_force;
#[cfg(feature = "track")]
mod layer;
#[cfg(feature = "track")]
mod parse;
#[cfg(feature = "track")]
mod print;
#[cfg(feature = "track")]
mod rules;
mod spans;

pub use error::ConfigError;
pub use events::Events;
#[cfg(feature = "track")]
pub(crate) use in_force::*;
#[cfg(feature = "track")]
pub use layer::Config;
#[cfg(feature = "track")]
pub(crate) use print::Print;
#[cfg(feature = "track")]
pub(crate) use rules::Rules;
pub use spans::Spans;
