//! The cache by itself, in every order of its steps, and under random programs.

mod by_itself;
mod decisions;
mod orders;
mod random;
pub(super) mod schedule;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls a future that has nothing to wait for.
#[track_caller]
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
