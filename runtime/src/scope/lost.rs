//! A transaction that was dropped after it had written.

use std::panic::Location;
use std::sync::Arc;

use super::kept_span::KeptSpan;
use crate::site::Site;
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::source::place::Place;

/// A transaction or savepoint that was dropped while open, after it had written.
#[derive(Debug)]
pub(crate) struct Lost {
    /// The name of its pool, if it was of one.
    pub(crate) pool: Option<Arc<str>>,
    /// The span in which its connection was requested.
    pub(crate) span: KeptSpan,
    /// Whether its connection was taken at a call site that the attribute has recorded.
    pub(crate) is_taken_at_site: bool,
    /// Where it was begun.
    pub(crate) begun: Place,
    /// The call site at `begun`, if the attribute has recorded one.
    pub(crate) site: Option<&'static Site>,
    /// The function in whose scope it was begun.
    pub(crate) function: Option<&'static Function>,
    /// Where the scope that dropped it had awaited the callee that returned it, if a callee had.
    pub(crate) handed_up_at: Option<&'static Location<'static>>,
    /// Whether a statement in it failed, or may have failed in the hands of plain sqlx.
    pub(crate) may_have_failed: bool,
    /// The last statement in it that wrote.
    pub(crate) wrote: &'static Tally,
    pub(crate) is_savepoint: bool,
}

impl Lost {
    pub(crate) fn noun(&self) -> &'static str {
        if self.is_savepoint {
            "savepoint"
        } else {
            "transaction"
        }
    }
}
