//! Who asks for a permit, and what for.

use std::sync::Arc;
use std::time::Instant;

use crate::pool_state::PoolState;
use crate::scope::origin::Origin;

/// What a permit is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A connection or transaction in the program's hands.
    Connection,
    /// One statement sent to the pool, whose future holds it.
    Statement,
    /// A row stream of the pool, whose consumer holds it.
    Rows,
}

impl Purpose {
    /// Whether a query was sent to the pool, rather than a handle asked for.
    pub(crate) fn is_query(self) -> bool {
        self != Purpose::Connection
    }
}

/// Who asks for a permit.
pub(crate) struct Asked {
    pub(crate) pool: Arc<PoolState>,
    pub(crate) origin: Origin,
    pub(crate) purpose: Purpose,
    /// A number for the task: the address of its waker's data, the same while the task lives.
    pub(crate) task: Option<u64>,
    pub(crate) when: Instant,
}
