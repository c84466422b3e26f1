//! Requests without `track`: nothing is seen, and the layer passes everything through.

use std::convert::Infallible;
use std::panic::Location;
use std::task::Waker;
use std::time::Duration;

/// There is none.
#[derive(Debug)]
pub(super) struct InRequest(Infallible);

/// How a request would have ended.
pub(super) enum Ended {
    Answered,
    Failed(#[expect(dead_code, reason = "nothing is counted")] &'static str),
}

impl InRequest {
    #[inline]
    pub(super) fn begin(
        _method: &str,
        _route: Option<&str>,
        _made: &'static Location<'static>,
        _budget: Option<(u64, Duration)>,
    ) -> Option<Self> {
        None
    }

    pub(super) fn run<T>(&mut self, _part: impl FnOnce() -> T) -> T {
        match self.0 {}
    }

    pub(super) fn responds(&mut self, _status: u16, _is_error: bool, _task: &Waker) {
        match self.0 {}
    }

    pub(super) fn is_upgraded(&mut self, _task: &Waker) {
        match self.0 {}
    }

    pub(super) fn timing(&self) -> (u64, Duration, Duration) {
        match self.0 {}
    }

    pub(super) fn end(&mut self, _ended: Ended) {
        match self.0 {}
    }
}
