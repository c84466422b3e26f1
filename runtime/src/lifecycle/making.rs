//! A pool is made: its settings are judged, and where they are denied, the program panics at the connect.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use sqlx::Error;

use super::startup::is_off;
use crate::lint::{self, Reaction};
use crate::pool_state::PoolState;
use crate::pool_state::in_memory::InMemory;

/// Judges the settings of a pool that has just been made.
pub(crate) fn judge(pool: &PoolState, database: Option<InMemory>) -> Reaction {
    if is_off() {
        return Reaction::Go;
    }
    lint::pool_settings(pool, database)
}

/// Why no pool was made, and what its settings have to do with it.
pub(crate) struct NotMade {
    error: Error,
    judged: Reaction,
}

impl NotMade {
    /// The first connect has failed. Settings that let no connect succeed are judged all the same.
    pub(crate) fn failed(error: Error, pool: &PoolState) -> Self {
        let judged = if pool.limits.acquire_timeout.is_zero() {
            judge(pool, None)
        } else {
            Reaction::Go
        };
        Self { error, judged }
    }
}

impl From<Error> for NotMade {
    fn from(error: Error) -> Self {
        Self {
            error,
            judged: Reaction::Go,
        }
    }
}

/// Panics at the caller's place where the settings are denied.
#[track_caller]
pub(crate) fn act_on(judged: Reaction) {
    if let Reaction::Panic(message) = judged {
        panic!("{message}");
    }
}

pin_project! {
    /// Connects a pool by polling `connect`, and panics at the place that awaits it where the pool's settings are denied.
    pub(crate) struct Making<F> {
        #[pin]
        connect: F,
    }
}

impl<F> Making<F> {
    pub(crate) fn new(connect: F) -> Self {
        Self { connect }
    }
}

impl<T, F: Future<Output = Result<(T, Reaction), NotMade>>> Future for Making<F> {
    type Output = Result<T, Error>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, judged) = match ready!(self.project().connect.poll(cx)) {
            Ok((pool, judged)) => (Ok(pool), judged),
            Err(NotMade { error, judged }) => (Err(error), judged),
        };
        act_on(judged);
        Poll::Ready(result)
    }
}
