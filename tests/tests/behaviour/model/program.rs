//! What a program can do.

use proptest::collection::vec;
use proptest::prelude::*;

/// A program runs on a pool of this size.
pub(super) const PERMITS: u32 = 3;

/// Which of the values that are held, counted round.
pub(super) type Slot = usize;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Acquire,
    TryAcquire,
    Begin,
    /// Opens a stream on the pool, which takes its permit with its first row.
    Open,
    /// Reads so many rows, of a hundred, or closes with the one that is not there.
    Read(Slot, usize),
    /// On the pool.
    Query,
    QueryOn(Slot),
    FailOn(Slot),
    /// Transactions one in the other, on a connection or in a transaction; the innermost lasts for some steps.
    Inside(Slot, Vec<End>, Vec<Step>),
    /// To plain sqlx.
    Lend(Slot),
    /// Says that it is meant to live long.
    Reserve(Slot),
    /// Uses it in a task of its own, and takes it back.
    Move(Slot),
    /// Ends it, however its kind allows.
    End(Slot, End),
    Close(Slot),
    Detach(Slot),
    Leak(Slot),
    Forget(Slot),
    /// Given up after so many polls; had by then, given back at once.
    AcquireGivenUp(usize),
    BeginGivenUp(usize),
    QueryGivenUp(usize),
    QueryOnGivenUp(Slot, usize),
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
    /// `leash::scope`, which hands up.
    ByHand,
    ByHandGivenUp,
    /// `in_current_scope`: a branch of the scope around, if there is one.
    Carried,
    /// Tracked functions.
    CannotHold,
    MayHold,
    GivenUp,
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
        Just(Scope::ByHandGivenUp),
        Just(Scope::Carried),
        Just(Scope::CannotHold),
        Just(Scope::MayHold),
        Just(Scope::GivenUp),
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
        1 => polls.clone().prop_map(Step::AcquireGivenUp),
        1 => polls.clone().prop_map(Step::BeginGivenUp),
        1 => polls.clone().prop_map(Step::QueryGivenUp),
        1 => (slot.clone(), polls).prop_map(|(slot, polls)| Step::QueryOnGivenUp(slot, polls)),
    ];
    plain.prop_recursive(3, 24, 6, move |step| {
        prop_oneof![
            3 => (scope.clone(), vec(step.clone(), 0..6)).prop_map(|(scope, steps)| Step::In(scope, steps)),
            1 => (slot.clone(), vec(end.clone(), 1..4), vec(step, 0..4))
                .prop_map(|(slot, ends, steps)| Step::Inside(slot, ends, steps)),
        ]
    })
}
