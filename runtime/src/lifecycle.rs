//! What happens to an acquire, a statement and a pool, in order: recorded, judged, reported.

pub(crate) mod acquire;
pub(crate) mod startup;
pub(crate) mod statement;
