//! A request for a permit.

use std::sync::Arc;
use std::time::Instant;

use crate::pool_state::PoolState;
use crate::scope::origin::Origin;

/// What a permit is requested for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A connection or transaction that the program holds.
    Connection,
    /// A transaction, which is begun as soon as the permit is granted, and whose value holds it.
    Transaction,
    /// A single statement that was sent to the pool. Its future holds the permit.
    Statement,
    /// A query that was sent to the pool and is read as a stream. The stream holds the permit.
    Rows,
}

impl Purpose {
    /// Whether a query was sent to the pool; else the program requested a handle.
    pub(crate) fn is_query(self) -> bool {
        matches!(self, Purpose::Statement | Purpose::Rows)
    }
}

/// A request for a permit.
pub(crate) struct Asked {
    pub(crate) pool: Arc<PoolState>,
    pub(crate) origin: Origin,
    pub(crate) purpose: Purpose,
    /// A number that stands for the task: the address of its waker's data, which stays the same while the task lives.
    pub(crate) task: Option<u64>,
    pub(crate) when: Instant,
}
