//! What tests expect and get, as plain data: numbers of statements, and the statements themselves.

pub(crate) mod expected;
mod statements;

pub use expected::Expected;
pub use statements::{Statement, Statements};
