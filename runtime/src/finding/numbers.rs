//! The numbers of a finding.

use std::time::Duration;

/// The numbers of a finding, for programs that compare or add them up. Its title and its facts have them as text.
///
/// A number that a finding does not have is `None`. Serialised, times are in milliseconds, and their names end in `_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Numbers {
    /// The number that is compared with the limit: the statements of `query_budget`, `n_plus_one` and `redundant_query`, the
    /// pools of `duplicate_pool`.
    pub count: Option<u64>,
    /// The limit of a lint that compares a number.
    pub limit: Option<u64>,
    /// The limit of a lint that compares a time.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "limit_ms", serialize_with = "crate::millis::serialize")
    )]
    pub limit_time: Option<Duration>,
    /// How long the statement, or all of the statements that `count` counts, took.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "elapsed_ms", serialize_with = "crate::millis::serialize")
    )]
    pub elapsed: Option<Duration>,
    /// How long the waiter has waited.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "waited_ms", serialize_with = "crate::millis::serialize")
    )]
    pub waited: Option<Duration>,
    /// How long the holder has held.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "held_ms", serialize_with = "crate::millis::serialize")
    )]
    pub held: Option<Duration>,
    /// How long the holder has not used the database.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "idle_ms", serialize_with = "crate::millis::serialize")
    )]
    pub idle: Option<Duration>,
    /// The number of acquires that wait for the pool.
    pub waiting: Option<u64>,
    /// The largest number of connections that the pool may have.
    pub max_connections: Option<u32>,
}
