//! The steps of a program.

use proptest::collection::vec;
use proptest::prelude::*;

/// The size of the pool that a program runs on.
pub(super) const PERMITS: u32 = 3;

/// Selects one of the held values: an index, modulo their number.
pub(super) type Slot = usize;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Acquire,
    TryAcquire,
    Begin,
    /// Opens a stream on the pool, which acquires its permit for its first row.
    Open,
    /// Reads this number of rows. A stream has a hundred; reading beyond the last row closes it.
    Read(Slot, usize),
    /// A query on the pool.
    Query,
    QueryOn(Slot),
    FailOn(Slot),
    /// Nested transactions, on a connection or in a transaction. The innermost runs some steps.
    Inside(Slot, Vec<End>, Vec<Step>),
    /// Lends the handle to plain sqlx.
    Lend(Slot),
    /// Marks the handle as long-lived.
    Reserve(Slot),
    /// Uses the handle in a spawned task, and takes it back.
    Move(Slot),
    /// Ends the handle in one of the ways that its kind allows.
    End(Slot, End),
    Close(Slot),
    Detach(Slot),
    Leak(Slot),
    Forget(Slot),
    /// Cancels the acquire after this number of polls. If it was granted by then, releases the handle at once.
    AcquireCancelled(usize),
    BeginCancelled(usize),
    QueryCancelled(usize),
    QueryOnCancelled(Slot, usize),
    In(Scope, Vec<Step>),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Drop,
    Commit,
    Rollback,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    /// `leash::scope`, whose handles pass to the scope around it.
    ByHand,
    ByHandCancelled,
    /// `in_current_scope`: a branch of the scope around it, if there is one.
    Carried,
    /// The last four are tracked functions.
    CannotHold,
    MayHold,
    Cancelled,
    Unwound,
}

pub(super) fn programs() -> impl Strategy<Value = Vec<Step>> {
    vec(steps(), 1..24)
}

fn steps() -> impl Strategy<Value = Step> {
    let slot = 0..8_usize;
    let polls = 0..4_usize;
    let end = prop_oneof![Just(End::Drop), Just(End::Commit), Just(End::Rollback)];
    let scope = prop_oneof![
        Just(Scope::ByHand),
        Just(Scope::ByHandCancelled),
        Just(Scope::Carried),
        Just(Scope::CannotHold),
        Just(Scope::MayHold),
        Just(Scope::Cancelled),
        Just(Scope::Unwound),
    ];
    let plain = prop_oneof![
        3 => Just(Step::Acquire),
        1 => Just(Step::TryAcquire),
        3 => Just(Step::Begin),
        2 => Just(Step::Open),
        3 => (slot.clone(), prop_oneof![1..10_usize, Just(100), Just(101)]).prop_map(|(slot, rows)| Step::Read(slot, rows)),
        1 => Just(Step::Query),
        3 => slot.clone().prop_map(Step::QueryOn),
        1 => slot.clone().prop_map(Step::FailOn),
        1 => slot.clone().prop_map(Step::Lend),
        1 => slot.clone().prop_map(Step::Reserve),
        2 => slot.clone().prop_map(Step::Move),
        4 => (slot.clone(), end.clone()).prop_map(|(slot, end)| Step::End(slot, end)),
        1 => slot.clone().prop_map(Step::Close),
        1 => slot.clone().prop_map(Step::Detach),
        1 => slot.clone().prop_map(Step::Leak),
        1 => slot.clone().prop_map(Step::Forget),
        1 => polls.clone().prop_map(Step::AcquireCancelled),
        1 => polls.clone().prop_map(Step::BeginCancelled),
        1 => polls.clone().prop_map(Step::QueryCancelled),
        1 => (slot.clone(), polls).prop_map(|(slot, polls)| Step::QueryOnCancelled(slot, polls)),
    ];
    plain.prop_recursive(3, 24, 6, move |step| {
        prop_oneof![
            3 => (scope.clone(), vec(step.clone(), 0..6)).prop_map(|(scope, steps)| Step::In(scope, steps)),
            1 => (slot.clone(), vec(end.clone(), 1..4), vec(step, 0..4))
                .prop_map(|(slot, ends, steps)| Step::Inside(slot, ends, steps)),
        ]
    })
}
