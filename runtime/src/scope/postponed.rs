//! A finding that waits for the end of the scope in which it was made.

use super::kept_span::KeptSpan;
use crate::finding::Finding;

/// A finding that was made where nothing may panic: in a destructor.
#[derive(Debug)]
pub(crate) struct Postponed {
    pub(crate) finding: Finding,
    /// The span that it is reported in.
    pub(crate) span: KeptSpan,
}
