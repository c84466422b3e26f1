//! The spans of what runs on a handle. They end with the handle at the latest, also where a future was leaked.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::log::spans::OpenSpan;

/// The spans of a handle that may be open.
#[derive(Debug, Default)]
pub(super) struct Spans {
    statement: Option<Arc<OpenSpan>>,
    /// Those of the transaction and its savepoints.
    transactions: SmallVec<[Arc<OpenSpan>; 1]>,
}

impl Spans {
    /// Adds the span of a statement. Returns the one before: if it is open, it belongs to a future that was leaked.
    pub(super) fn begin_statement(&mut self, span: Arc<OpenSpan>) -> Option<Arc<OpenSpan>> {
        self.statement.replace(span)
    }

    pub(super) fn begin_transaction(&mut self, span: Arc<OpenSpan>) {
        self.transactions.retain(|span| span.is_open());
        self.transactions.push(span);
    }

    /// Ends what is still open. Calls the subscriber.
    pub(super) fn end(self) {
        let open = self.statement.into_iter().chain(self.transactions);
        open.for_each(|span| span.end_given_up());
    }
}
