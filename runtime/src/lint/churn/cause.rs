//! Why connections are closed.

use crate::snapshot::ClosedBy;

/// Why connections are closed, those first that are known best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The program closes or detaches them.
    Program,
    /// A hook of the pool refuses them.
    Hook,
    /// A statement or a return on them was given up.
    Cancelled,
    /// The acquire that they were for was over.
    AcquireOver,
    /// They have reached `max_lifetime`.
    Lifetime,
    /// They have been idle for `idle_timeout`.
    IdleTime,
    /// None of these: the server or the network.
    Elsewhere,
}

impl Cause {
    pub(super) const ALL: [Cause; 7] = [
        Cause::Program,
        Cause::Hook,
        Cause::Cancelled,
        Cause::AcquireOver,
        Cause::Lifetime,
        Cause::IdleTime,
        Cause::Elsewhere,
    ];

    /// The number of connections that were closed for this cause.
    pub(super) fn of(self, closed: &ClosedBy) -> u64 {
        match self {
            Cause::Program => closed.program,
            Cause::Hook => closed.hook,
            Cause::Cancelled => closed.cancelled,
            Cause::AcquireOver => closed.acquire_over,
            Cause::Lifetime => closed.max_lifetime,
            Cause::IdleTime => closed.idle_timeout,
            Cause::Elsewhere => closed.elsewhere,
        }
    }

    /// How many times as many connections as the pool had at once must have been closed, so that more than one event is
    /// behind it.
    ///
    /// A program may close every connection once to rotate credentials, and a hook may refuse every connection once after a
    /// failover. A server that restarts closes every connection, twice if it restarts node by node. An age is different: each
    /// connection that is opened will reach it, too.
    pub(super) fn rounds(self) -> u64 {
        match self {
            Cause::Lifetime => 1,
            Cause::Program
            | Cause::Hook
            | Cause::Cancelled
            | Cause::AcquireOver
            | Cause::IdleTime => 2,
            Cause::Elsewhere => 3,
        }
    }
}
