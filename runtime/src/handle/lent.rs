//! A lent connection: some code has a plain `&mut PgConnection` of it, or had one.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::loan::Loan;
use super::{Handle, State, live};
use crate::scope::{Borrowed, Scope, context};
use crate::snapshot::Activity;

pub(crate) use super::loan::Use;

impl Handle {
    /// Records that some code has its plain connection, which is at `address`, until the handle is used again.
    pub(crate) fn lend(&self, address: usize) {
        let mut state = self.state();
        state.end_loan();
        state.loan = Some(Loan::at(address));
        self.was_lent.store(true, Relaxed);
        if state.activity != Activity::Lent {
            state.enter(Activity::Lent, &self.stream, Instant::now());
        }
    }

    /// Called when the holder uses the handle itself, and so has the connection back.
    #[inline]
    pub(crate) fn take_back(&self) {
        // Relaxed: only the task that has the connection stores and loads it.
        if self.was_lent.load(Relaxed) {
            self.end_loan();
        }
    }

    #[cold]
    fn end_loan(&self) {
        self.was_lent.store(false, Relaxed);
        let mut state = self.state();
        let was_unseen = state.was_used_unseen();
        state.end_loan();
        drop(state);
        // What that code has written is not known.
        if was_unseen && let Some(scope) = context::made_scope() {
            scope.root().ledger().forget();
        }
    }

    /// Records that a tracked function uses the lent connection.
    pub(crate) fn note_use(&self, used: Use) {
        if let Some(loan) = &mut self.state().loan {
            loan.note_use(used);
        }
    }

    /// When the connection was lent, in the order of all loans, if it is certainly still at `address`.
    ///
    /// A connection stays in its place while the variable that holds it does. `owner` is the scope of that variable.
    fn loan_at(&self, address: usize, owner: &Scope) -> Option<u64> {
        let loan = self.state().loan.filter(|loan| loan.address == address)?;
        (self.is_held() && self.stays_in(owner)).then_some(loan.turn)
    }

    /// Whether it stays in a variable of this scope until it is ended or dropped.
    fn stays_in(&self, owner: &Scope) -> bool {
        match self.handed_up_at() {
            Some(handed_up_at) => owner.function().keeps(handed_up_at),
            None => self.site.is_some_and(|site| {
                site.stays() && std::ptr::eq(site.function(), owner.function())
            }),
        }
    }

    /// Records that code which is not seen uses the lent connection.
    fn note_unseen(&self) {
        let mut state = self.state();
        let Some(loan) = state.loan.as_mut().filter(|loan| loan.may_go_on()) else {
            return;
        };
        loan.note_unseen();
        state.note_unseen_use();
        if state.activity == Activity::Idle {
            state.enter(Activity::Lent, &self.stream, Instant::now());
        }
    }

    /// The same, if the connection may be the one at `address`.
    fn note_unseen_at(&self, address: usize) {
        let loan = self.state().loan;
        if loan.is_some_and(|loan| loan.address == address) {
            self.note_unseen();
        }
    }

    /// Whether code to which the connection was lent may still have it.
    pub(crate) fn may_be_lent(&self) -> bool {
        self.state().loan.is_some_and(|loan| loan.may_go_on())
    }

    /// Called when `borrower`, which was lent the connection, has ended.
    ///
    /// `may_hold` is whether it has returned a value that may have the borrow.
    fn borrower_ended(&self, borrower: &Scope, may_hold: bool) {
        let lender = borrower.chain_of_task().nth(1).map(Scope::function);
        let lender = lender.filter(|lender| lender.has_body());
        let is_certain = lender.is_some_and(|lender| lender.lends(borrower.polled_at()));
        // Of code without the attribute, it is not known what it does with a value that may have the borrow.
        let is_over = !may_hold && lender.is_some();
        let mut state = self.state();
        let activity = state.activity;
        let is_at_rest = matches!(activity, Activity::Idle | Activity::Lent);
        let Some(loan) = state.loan.as_mut().filter(|_| is_at_rest) else {
            return;
        };
        if is_over {
            loan.end(is_certain);
        } else {
            loan.pass_on();
        }
        state.note_unseen_use();
        let at_rest = state.at_rest();
        // An idle time goes on. What unseen code did last is not known, so that a new one begins now.
        if at_rest != activity {
            state.enter(at_rest, &self.stream, Instant::now());
        }
    }
}

impl State {
    /// The activity that follows a statement.
    #[inline]
    pub(super) fn at_rest(&self) -> Activity {
        match &self.loan {
            Some(loan) if loan.may_be_in_use() => Activity::Lent,
            _ => Activity::Idle,
        }
    }

    fn end_loan(&mut self) {
        self.note_unseen_use();
        self.loan = None;
    }

    /// Whether code that is not seen may have used the connection since it was lent.
    pub(super) fn was_used_unseen(&self) -> bool {
        self.loan.is_some_and(|loan| loan.was_unseen())
    }

    fn note_unseen_use(&mut self) {
        if self.was_used_unseen() {
            for begun in &mut self.transactions {
                begun.ran_unseen = true;
                for failure in begun.failure.iter_mut().chain(&mut begun.suspect) {
                    failure.ran_unseen = true;
                }
            }
            self.note_session_unseen();
        }
    }
}

/// The handle whose plain connection `address` is: one that `scope` was lent, or that a scope around it has lent.
///
/// Returns the handle with the scope to which its owner has lent it; without that scope where `scope` has it itself.
pub(crate) fn lent_at(address: usize, scope: &Arc<Scope>) -> Option<(Arc<Handle>, Option<&Scope>)> {
    let mut latest: Option<(u64, Arc<Handle>, Option<&Scope>)> = None;
    let mut below = None;
    for around in scope.chain_of_task() {
        let borrowed = around.borrowed();
        let borrowed = borrowed.iter().find(|borrowed| borrowed.address == address);
        if let Some(handle) = borrowed.and_then(|borrowed| live::find(borrowed.handle)) {
            return Some((handle, Some(around)));
        }
        for handle in around.handles().iter().filter_map(|id| live::find(*id)) {
            if let Some(turn) = handle.loan_at(address, around)
                && latest.as_ref().is_none_or(|(latest, ..)| *latest < turn)
            {
                latest = Some((turn, handle, below));
            }
        }
        below = Some(around);
    }
    if latest.is_none() {
        // Without proof whose the connection is, each handle that it may be of counts as used unseen.
        each_handle(scope, |handle| handle.note_unseen_at(address));
    }
    let (_, handle, borrower) = latest?;
    Some((handle, borrower))
}

/// Called when code that is not seen uses a connection that was lent to `scope` or to one around it.
pub(crate) fn used_unseen(scope: &Scope) {
    each_handle(scope, Handle::note_unseen);
    for around in scope.chain_of_task() {
        for Borrowed { handle, .. } in around.borrowed() {
            if let Some(handle) = live::find(handle) {
                handle.note_unseen();
            }
        }
    }
}

fn each_handle(scope: &Scope, mut call: impl FnMut(&Handle)) {
    for around in scope.chain_of_task() {
        for handle in around.handles().iter().filter_map(|id| live::find(*id)) {
            call(&handle);
        }
    }
}

/// The only handle of which the scopes from `scope` outwards have borrowed the connection, with the connection's address
/// and the scope to which its owner has lent it.
pub(crate) fn lent_to(scope: &Arc<Scope>) -> Option<(Arc<Handle>, usize, &Scope)> {
    let mut found: Option<(Borrowed, &Scope)> = None;
    for around in scope.chain_of_task() {
        for borrowed in around.borrowed() {
            if found.is_some_and(|(before, _)| before != borrowed) {
                return None;
            }
            found = Some((borrowed, around));
        }
    }
    let (Borrowed { handle, address }, borrower) = found?;
    Some((live::find(handle)?, address, borrower))
}

/// Called when `scope` has ended: what it was lent goes back, unless it has returned a value that may have the borrow.
pub(crate) fn give_back(scope: &Scope, may_hold: bool) {
    for Borrowed { handle, .. } in scope.take_borrowed() {
        if let Some(handle) = live::find(handle) {
            handle.borrower_ended(scope, may_hold);
        }
    }
}
