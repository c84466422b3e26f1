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
    match database {
        Some(database) if !is_off() => lint::pool_settings(pool, database),
        _ => Reaction::Go,
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

impl<T, F: Future<Output = Result<(T, Reaction), Error>>> Future for Making<F> {
    type Output = Result<T, Error>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (pool, judged) = match ready!(self.project().connect.poll(cx)) {
            Ok(made) => made,
            Err(error) => return Poll::Ready(Err(error)),
        };
        act_on(judged);
        Poll::Ready(Ok(pool))
    }
}
