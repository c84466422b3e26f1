//! The steps of an acquire, a statement and a pool. Each step is recorded, then judged, then reported.

pub(crate) mod acquire;
pub(crate) mod making;
pub(crate) mod operation;
pub(crate) mod refused;
#[cfg(feature = "tower")]
pub(crate) mod request;
pub(crate) mod session;
pub(crate) mod startup;
pub(crate) mod statement;
pub(crate) mod transaction;
mod wait_span;
