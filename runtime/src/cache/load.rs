//! A load that several callers wait for.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::epoch::Epoch;
use super::step::step;
use super::store::Kept;
use crate::sync;

/// A load that is running, or has ended.
pub(super) struct Load<V> {
    pub(super) epoch: Arc<Epoch>,
    state: Mutex<State<V>>,
}

enum State<V> {
    Running(Queue),
    Ended(End<V>),
}

/// The callers that wait, in the order in which they came.
#[derive(Default)]
struct Queue {
    wakers: BTreeMap<u64, Waker>,
    next: u64,
}

/// How a load has ended for those who waited.
pub(super) enum End<V> {
    Loaded(Arc<Kept<V>>),
    Failed,
    /// Without an answer: its caller was cancelled, or the key was written.
    GivenUp,
}

impl<V> Clone for End<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Loaded(kept) => Self::Loaded(Arc::clone(kept)),
            Self::Failed => Self::Failed,
            Self::GivenUp => Self::GivenUp,
        }
    }
}

impl<V> Load<V> {
    pub(super) fn new(epoch: Arc<Epoch>) -> Self {
        Self {
            epoch,
            state: Mutex::new(State::Running(Queue::default())),
        }
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> End<V> {
        let mut place = Place {
            load: self,
            number: None,
        };
        poll_fn(|context| place.poll(context)).await
    }

    /// Ends it, unless it has ended, and wakes those who wait.
    pub(super) fn end(&self, end: End<V>) {
        step();
        let mut state = sync::lock(&self.state);
        if let State::Ended(_) = *state {
            return;
        }
        let before = mem::replace(&mut *state, State::Ended(end));
        drop(state);
        if let State::Running(queue) = before {
            queue.wakers.into_values().for_each(Waker::wake);
        }
    }
}

/// A caller's place in the queue. Dropping it leaves the queue.
struct Place<'a, V> {
    load: &'a Load<V>,
    number: Option<u64>,
}

impl<V> Place<'_, V> {
    fn poll(&mut self, context: &Context<'_>) -> Poll<End<V>> {
        step();
        let waker = context.waker().clone();
        let mut state = sync::lock(&self.load.state);
        let queue = match &mut *state {
            State::Ended(end) => return Poll::Ready(end.clone()),
            State::Running(queue) => queue,
        };
        let number = *self.number.get_or_insert_with(|| {
            queue.next += 1;
            queue.next
        });
        let replaced = queue.wakers.insert(number, waker);
        drop(state);
        // It may belong to code of others, which runs without the lock.
        drop(replaced);
        Poll::Pending
    }
}

impl<V> Drop for Place<'_, V> {
    fn drop(&mut self) {
        let Some(number) = self.number else {
            return;
        };
        let mut state = sync::lock(&self.load.state);
        let removed = match &mut *state {
            State::Running(queue) => queue.wakers.remove(&number),
            State::Ended(_) => None,
        };
        drop(state);
        drop(removed);
    }
}
