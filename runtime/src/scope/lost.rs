//! A transaction that had written and was dropped.

use std::panic::Location;
use std::sync::Arc;

use tracing::Span;

use crate::site::Site;
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::source::place::Place;

/// A transaction or savepoint that had written and was dropped while open.
#[derive(Debug)]
pub(crate) struct Lost {
    /// The name of its pool.
    pub(crate) pool: Arc<str>,
    /// The span in which its connection was asked for.
    pub(crate) span: Span,
    /// Whether the attribute knows where its connection was taken.
    pub(crate) is_taken_at_site: bool,
    /// Where it was begun.
    pub(crate) begun: Place,
    /// The same, where the attribute knows it.
    pub(crate) site: Option<&'static Site>,
    /// The function in whose scope it was begun.
    pub(crate) function: Option<&'static Function>,
    /// Where the scope that dropped it had received it, if a callee had handed it up.
    pub(crate) handed_up_at: Option<&'static Location<'static>>,
    /// A statement in it failed, or what plain sqlx did last in it may have.
    pub(crate) may_have_failed: bool,
    /// The last statement in it that wrote.
    pub(crate) wrote: &'static Tally,
    pub(crate) is_savepoint: bool,
}
