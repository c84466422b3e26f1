//! A loan of a handle's plain connection.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::snapshot::LentTo;
use crate::source::function::Function;

/// The order of the loans of the process.
static TURNS: AtomicU64 = AtomicU64::new(0);

/// The plain connection of a handle as it was lent last.
#[derive(Clone, Copy)]
pub(super) struct Loan {
    /// Where the connection is while the borrow lives.
    pub(super) address: usize,
    /// Of two loans of one address, the later one is of the connection that stands there now.
    pub(super) turn: u64,
    /// The tracked function that was lent it, and has used it or had it used by another one.
    borrower: Option<&'static Function>,
    has_returned: bool,
    end: End,
    unseen: Unseen,
}

/// Whether code that is not seen has used the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unseen {
    /// Nobody is known to have used it yet.
    Perhaps,
    No,
    Yes,
}

/// Whether the borrow has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    No,
    /// The borrower has returned. A value of the lender may still have the borrow.
    Likely,
    Certain,
}

/// How a tracked function uses a connection that it was lent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    /// The function to which its holder has lent it; `None` if that is the holder's own.
    pub(crate) borrower: Option<&'static Function>,
    /// Whether the borrow ends with the statement.
    pub(crate) is_whole: bool,
    /// Whether all that the function, and those between it and the lender, do with it is in sight.
    pub(crate) is_all: bool,
}

impl Loan {
    pub(super) fn at(address: usize) -> Self {
        Self {
            address,
            turn: TURNS.fetch_add(1, Relaxed),
            borrower: None,
            has_returned: false,
            end: End::No,
            unseen: Unseen::Perhaps,
        }
    }

    pub(super) fn note_use(&mut self, used: Use) {
        self.borrower = used.borrower;
        self.has_returned = false;
        self.end = if used.is_whole { End::Certain } else { End::No };
        let is_seen = used.is_whole || used.is_all;
        if self.unseen != Unseen::Yes {
            self.unseen = if is_seen { Unseen::No } else { Unseen::Yes };
        }
    }

    /// Code that is not seen uses the connection.
    pub(super) fn note_unseen(&mut self) {
        self.unseen = Unseen::Yes;
        self.end = End::No;
    }

    /// The borrower has returned, with a value that may have the borrow.
    pub(super) fn pass_on(&mut self) {
        self.has_returned = true;
        self.note_unseen();
    }

    /// The borrower has returned, and does not have the borrow any more.
    pub(super) fn end(&mut self, is_certain: bool) {
        self.has_returned = true;
        self.end = if is_certain {
            End::Certain
        } else {
            End::Likely
        };
    }

    /// Whether some code may still have the connection.
    pub(super) fn may_go_on(&self) -> bool {
        self.end != End::Certain
    }

    /// Whether the connection may be in use unseen whenever no statement runs.
    pub(super) fn may_be_in_use(&self) -> bool {
        self.end == End::No && self.was_unseen()
    }

    /// Whether code that is not seen may have used it.
    pub(super) fn was_unseen(&self) -> bool {
        self.unseen != Unseen::No
    }

    pub(super) fn read(&self) -> Option<LentTo> {
        self.borrower.map(|borrower| LentTo {
            function: borrower.name().to_owned(),
            returned: self.has_returned,
        })
    }
}
