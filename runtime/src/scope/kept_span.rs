//! A span of the program, kept beyond the call in which it was current.

use std::mem;
use std::ops::Deref;

use tracing::Span;
use tracing::level_filters::LevelFilter;

use super::foreign;

/// A clone of a span of the program. If it is the last one, the subscriber closes the span when it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct KeptSpan(Span);

impl KeptSpan {
    /// The current span. There is none while no subscriber is set, or none that wants anything.
    #[inline]
    pub(crate) fn current() -> Self {
        Self(match LevelFilter::current() {
            LevelFilter::OFF => Span::none(),
            _ => Span::current(),
        })
    }

    pub(crate) fn none() -> Self {
        Self(Span::none())
    }
}

impl Deref for KeptSpan {
    type Target = Span;

    fn deref(&self) -> &Span {
        &self.0
    }
}

impl Drop for KeptSpan {
    #[inline]
    fn drop(&mut self) {
        if !self.0.is_disabled() {
            foreign::close(mem::replace(&mut self.0, Span::none()));
        }
    }
}
