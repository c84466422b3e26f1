//! Where sqlx's futures of an acquire and of the return of its connection run: one after the other, in one allocation.
//!
//! Both are large (10 and 5 KB for PostgreSQL). By value, each future around them and each step to a task's place on the
//! heap would copy them whole, before they are polled for the first time.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Error, Pool};

/// A pool keeps this many slots for later.
const KEPT: usize = 16;

/// The slots of a pool in which nothing runs.
pub(super) struct Passages<DB: Database> {
    pool: Pool<DB>,
    kept: Mutex<Vec<Slot<DB>>>,
}

type Slot<DB> = Pin<Box<dyn Steps<DB>>>;

/// The slot of one claim. As a future, it is the return of the connection.
pub(super) struct Passage<DB: Database> {
    /// `None` while it is dropped.
    slot: Option<Slot<DB>>,
    passages: Arc<Passages<DB>>,
}

const EMPTIED: &str = "BUG: only the drop empties `slot`";

/// The futures that run in a slot, one at a time. As a future, it is the return.
trait Steps<DB: Database>: Future<Output = ()> + Send {
    fn poll_acquire(
        self: Pin<&mut Self>,
        pool: &Pool<DB>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<PoolConnection<DB>, Error>>;

    fn begin_return(self: Pin<&mut Self>, connection: &mut PoolConnection<DB>);

    /// Drops the future that runs in it.
    fn clear(self: Pin<&mut Self>);
}

pin_project! {
    #[project = StepNow]
    enum Step<A, R> {
        /// None of them runs.
        Rest,
        Acquire { #[pin] future: A },
        Return { #[pin] future: R },
    }
}

pin_project! {
    /// A [`Step`], with the functions that make sqlx's futures: the types of those have no names.
    struct Way<A, R, Ask, End> {
        #[pin]
        step: Step<A, R>,
        ask: Ask,
        end: End,
    }
}

impl<DB: Database> Passages<DB> {
    pub(super) fn of(pool: &Pool<DB>) -> Arc<Self> {
        Arc::new(Self {
            pool: pool.clone(),
            kept: Mutex::default(),
        })
    }

    pub(super) fn one(self: Arc<Self>) -> Passage<DB> {
        let kept = self.kept.try_lock().ok().and_then(|mut kept| kept.pop());
        Passage {
            slot: Some(kept.unwrap_or_else(slot)),
            passages: self,
        }
    }

    fn keep(&self, slot: Slot<DB>) {
        // Nobody waits for the lock: to allocate is cheaper.
        if let Ok(mut kept) = self.kept.try_lock()
            && kept.len() < KEPT
        {
            kept.push(slot);
        }
    }
}

impl<DB: Database> Passage<DB> {
    fn slot(&mut self) -> Pin<&mut (dyn Steps<DB> + 'static)> {
        self.slot.as_mut().expect(EMPTIED).as_mut()
    }

    fn poll_acquire(&mut self, cx: &mut Context<'_>) -> Poll<Result<PoolConnection<DB>, Error>> {
        let Self { slot, passages } = self;
        let slot = slot.as_mut().expect(EMPTIED).as_mut();
        slot.poll_acquire(&passages.pool, cx)
    }

    /// Begins to return the connection, which the value does not have any more.
    pub(super) fn begin_return(&mut self, connection: &mut PoolConnection<DB>) {
        self.slot().begin_return(connection);
    }
}

impl<DB: Database> Future for Passage<DB> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.slot().poll(cx)
    }
}

impl<DB: Database> Drop for Passage<DB> {
    fn drop(&mut self) {
        if let Some(mut slot) = self.slot.take() {
            slot.as_mut().clear();
            self.passages.keep(slot);
        }
    }
}

fn slot<DB: Database>() -> Slot<DB> {
    at_rest(
        |pool: &Pool<DB>| pool.acquire(),
        |connection: &mut PoolConnection<DB>| connection.return_to_pool(),
    )
}

fn at_rest<DB, A, R, Ask, End>(ask: Ask, end: End) -> Slot<DB>
where
    DB: Database,
    A: Future<Output = Result<PoolConnection<DB>, Error>> + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
    Ask: Fn(&Pool<DB>) -> A + Send + 'static,
    End: Fn(&mut PoolConnection<DB>) -> R + Send + 'static,
{
    Box::pin(Way {
        step: Step::Rest,
        ask,
        end,
    })
}

impl<DB, A, R, Ask, End> Steps<DB> for Way<A, R, Ask, End>
where
    DB: Database,
    A: Future<Output = Result<PoolConnection<DB>, Error>> + Send,
    R: Future<Output = ()> + Send,
    Ask: Fn(&Pool<DB>) -> A + Send,
    End: Fn(&mut PoolConnection<DB>) -> R + Send,
{
    fn poll_acquire(
        self: Pin<&mut Self>,
        pool: &Pool<DB>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<PoolConnection<DB>, Error>> {
        let mut this = self.project();
        if let Step::Rest = *this.step {
            let future = (this.ask)(pool);
            this.step.set(Step::Acquire { future });
        }
        let StepNow::Acquire { future } = this.step.as_mut().project() else {
            unreachable!("BUG: the acquire was polled after its return had begun")
        };
        let acquired = ready!(future.poll(cx));
        this.step.set(Step::Rest);
        Poll::Ready(acquired)
    }

    fn begin_return(self: Pin<&mut Self>, connection: &mut PoolConnection<DB>) {
        let mut this = self.project();
        let future = (this.end)(connection);
        this.step.set(Step::Return { future });
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().step.set(Step::Rest);
    }
}

impl<A, R: Future<Output = ()>, Ask, End> Future for Way<A, R, Ask, End> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project().step.project() {
            StepNow::Return { future } => future.poll(cx),
            StepNow::Rest | StepNow::Acquire { .. } => Poll::Ready(()),
        }
    }
}

/// A pool's connection, and the passage in which it was acquired and will be returned.
pub(super) type Acquired<DB> = (PoolConnection<DB>, Passage<DB>);

/// sqlx's acquire, in a passage that it takes when it is polled first.
pub(super) enum Acquiring<DB: Database> {
    New(Arc<Passages<DB>>),
    Waits(Passage<DB>),
    Ended,
}

impl<DB: Database> Future for Acquiring<DB> {
    type Output = Result<Acquired<DB>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut passage = match mem::replace(&mut *self, Acquiring::Ended) {
            Acquiring::New(passages) => passages.one(),
            Acquiring::Waits(passage) => passage,
            Acquiring::Ended => panic!("polled after it was ready"),
        };
        match passage.poll_acquire(cx) {
            Poll::Ready(acquired) => Poll::Ready(acquired.map(|connection| (connection, passage))),
            Poll::Pending => {
                *self = Acquiring::Waits(passage);
                Poll::Pending
            }
        }
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::sync::Arc;

    use sqlx::sqlite::SqlitePoolOptions;

    use super::{KEPT, Passages};
    use crate::sync;

    #[test]
    fn a_pool_keeps_a_bounded_number_of_slots_and_uses_them_again() {
        // Without a limit, no task is spawned that looks for connections to close.
        let options = SqlitePoolOptions::new().idle_timeout(None);
        let pool = options.max_lifetime(None).connect_lazy("sqlite::memory:");
        let passages = Passages::of(&pool.expect("the address is valid"));
        let kept = || sync::lock(&passages.kept).len();
        let one = || Arc::clone(&passages).one();
        let many: Vec<_> = (0..3 * KEPT).map(|_| one()).collect();
        assert_eq!(kept(), 0);
        drop(many);
        assert_eq!(kept(), KEPT);
        let again = one();
        assert_eq!(kept(), KEPT - 1);
        drop(again);
        assert_eq!(kept(), KEPT);
    }
}
