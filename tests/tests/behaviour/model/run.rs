//! Runs a program against the crate, and applies each of its steps to the model.

mod handles;
mod scopes;

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures::future::LocalBoxFuture;
use futures::stream::BoxStream;
use sqlx::leash::{self, Lint};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Sqlite};

use super::expected::{Key, Model, Seen};
use super::program::{End, PERMITS, Slot, Step};
use crate::common::{HUNDRED, TestPool, Tx, poll_at_most, pool_of};

const FAILING: &str = "SELECT no_such_column";

/// Describes the difference between the tracker and the model.
type Differs = String;
type Ran<'r> = LocalBoxFuture<'r, Result<(), Differs>>;

/// A value that holds a permit, or will.
enum Value {
    Connection(PoolConnection<Sqlite>),
    Tx(Tx),
    /// A stream and the number of rows read from it. It has no key before the first row.
    Stream(BoxStream<'static, sqlx::Result<SqliteRow>>, usize),
}

struct Held {
    key: Option<Key>,
    value: Value,
}

struct World {
    pool: TestPool,
    model: RefCell<Model>,
    held: RefCell<Vec<Held>>,
    /// Forgotten values. Not dropped during the program, as with `mem::forget`, but kept so that the program can end
    /// them.
    forgotten: RefCell<Vec<ManuallyDrop<Held>>>,
}

static FINDINGS: AtomicUsize = AtomicUsize::new(0);

pub(super) async fn program(steps: &[Step]) -> Result<(), Differs> {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        leash::on_finding(|finding| {
            if finding.lint == Lint::OutlivedScope {
                FINDINGS.fetch_add(1, SeqCst);
            }
        });
    });
    let pool = pool_of(PERMITS).await;
    let before = Seen::now(pool.name(), FINDINGS.load(SeqCst));
    let world = World {
        pool,
        model: RefCell::new(Model::new(before)),
        held: RefCell::default(),
        forgotten: RefCell::default(),
    };
    run(&world, steps).await?;
    let remembered = world.forgotten.take();
    world
        .held
        .borrow_mut()
        .extend(remembered.into_iter().map(ManuallyDrop::into_inner));
    // The remaining values end with the program. Then the pool must serve every permit that was not lost for good.
    while !world.held.borrow().is_empty() {
        world.step(&Step::End(0, End::Drop)).await?;
        world.look(&"the end")?;
    }
    let lost = world.model.borrow().held();
    let mut rest = Vec::new();
    for _ in lost..PERMITS as usize {
        rest.push(
            world
                .pool
                .acquire()
                .await
                .map_err(|error| error.to_string())?,
        );
    }
    let scopes = leash::snapshot().tracker.scopes;
    if scopes == 0 {
        Ok(())
    } else {
        Err(format!("{scopes} scopes never ended"))
    }
}

fn run<'r>(world: &'r World, steps: &'r [Step]) -> Ran<'r> {
    Box::pin(async move {
        for step in steps {
            world.step(step).await?;
            world.look(step)?;
        }
        Ok(())
    })
}

impl World {
    /// Compares the tracker's state with the model's.
    fn look(&self, after: &dyn std::fmt::Debug) -> Result<(), Differs> {
        let seen = Seen::now(self.pool.name(), FINDINGS.load(SeqCst));
        let model = self.model.borrow();
        if seen == model.seen {
            return Ok(());
        }
        Err(format!(
            "after {after:?}\n  tracker: {seen:?}\n    model: {:?}",
            model.seen
        ))
    }

    /// Whether a permit is free or being returned.
    fn has_permit(&self) -> bool {
        self.model.borrow().held() < PERMITS as usize
    }

    fn put(&self, key: impl Into<Option<Key>>, value: Value) {
        let key = key.into();
        self.held.borrow_mut().push(Held { key, value });
    }

    fn put_connection(&self, connection: PoolConnection<Sqlite>) {
        let key = self.model.borrow_mut().grant();
        self.put(key, Value::Connection(connection));
    }

    fn put_tx(&self, tx: Tx) {
        let mut model = self.model.borrow_mut();
        let key = model.grant();
        model.begin(key);
        drop(model);
        self.put(key, Value::Tx(tx));
    }

    fn forget(&self, key: Option<Key>, value: Value) {
        let forgotten = ManuallyDrop::new(Held { key, value });
        self.forgotten.borrow_mut().push(forgotten);
    }

    fn take(&self, slot: Slot) -> Option<Held> {
        let mut held = self.held.borrow_mut();
        let slots = held.len();
        (slots > 0).then(|| held.remove(slot % slots))
    }

    async fn step(&self, step: &Step) -> Result<(), Differs> {
        let failed = |error: sqlx::Error| format!("{step:?}: {error}");
        match step {
            Step::Acquire if self.has_permit() => {
                self.put_connection(self.pool.acquire().await.map_err(failed)?);
            }
            Step::Acquire => self.waits(self.pool.acquire()).await?,
            Step::TryAcquire => {
                // Whether a returning connection is idle already depends on sqlx; later steps must not depend on it.
                if let Some(connection) = self.pool.try_acquire() {
                    let key = self.model.borrow_mut().grant();
                    self.look(step)?;
                    drop(connection);
                    self.model.borrow_mut().release(key);
                }
            }
            Step::Begin if self.has_permit() => {
                self.put_tx(self.pool.begin().await.map_err(failed)?);
            }
            Step::Begin => self.waits(self.pool.begin()).await?,
            Step::Open => self.put(None, Value::Stream(self.pool.fetch(HUNDRED), 0)),
            Step::Query if self.has_permit() => {
                self.pool.fetch_all(HUNDRED).await.map_err(failed)?;
                let mut model = self.model.borrow_mut();
                let key = model.grant();
                model.statement(key, 100, true);
                model.release(key);
            }
            Step::Query => self.waits(self.pool.fetch_all(HUNDRED)).await?,
            Step::AcquireCancelled(polls) => {
                // Without a free permit the acquire never ends, so one poll is enough.
                let polls = if self.has_permit() {
                    *polls
                } else {
                    (*polls).min(1)
                };
                match poll_at_most(polls, self.pool.acquire()).await {
                    Some(acquired) => {
                        let connection = acquired.map_err(failed)?;
                        let key = self.model.borrow_mut().grant();
                        self.look(step)?;
                        drop(connection);
                        self.model.borrow_mut().release(key);
                    }
                    None if polls > 0 => self.model.borrow_mut().seen.abandoned += 1,
                    None => {}
                }
            }
            Step::BeginCancelled(polls) if self.has_permit() => {
                match poll_at_most(*polls, self.pool.begin()).await {
                    Some(begun) => {
                        let tx = begun.map_err(failed)?;
                        let key = {
                            let mut model = self.model.borrow_mut();
                            let key = model.grant();
                            model.begin(key);
                            key
                        };
                        self.look(step)?;
                        self.end(tx, key, End::Drop).await?;
                        self.model.borrow_mut().release(key);
                    }
                    None if *polls > 0 => self.given_up_somewhere(|seen| {
                        seen.acquired += 1;
                        seen.control.begins += 1;
                    }),
                    None => {}
                }
            }
            Step::QueryCancelled(polls) if self.has_permit() => {
                match poll_at_most(*polls, self.pool.fetch_all(HUNDRED)).await {
                    Some(result) => {
                        result.map_err(failed)?;
                        let mut model = self.model.borrow_mut();
                        let key = model.grant();
                        model.statement(key, 100, true);
                        model.release(key);
                    }
                    None if *polls > 0 => {
                        self.given_up_somewhere(|seen| {
                            seen.acquired += 1;
                            seen.calls += 1;
                            seen.cancelled += 1;
                        });
                        self.accept_rows();
                    }
                    None => {}
                }
            }
            Step::BeginCancelled(_) | Step::QueryCancelled(_) => {}
            Step::In(scope, steps) => self.scope(*scope, steps).await?,
            Step::Read(slot, ..)
            | Step::QueryOn(slot)
            | Step::FailOn(slot)
            | Step::Inside(slot, ..)
            | Step::Lend(slot)
            | Step::Reserve(slot)
            | Step::Move(slot)
            | Step::End(slot, _)
            | Step::Close(slot)
            | Step::Detach(slot)
            | Step::Leak(slot)
            | Step::Forget(slot)
            | Step::QueryOnCancelled(slot, _) => {
                let Some(held) = self.take(*slot) else {
                    return Ok(());
                };
                let left = match (held.value, held.key) {
                    (Value::Stream(rows, read), key) => self.stream(step, rows, read, key).await,
                    (Value::Connection(connection), Some(key)) => {
                        self.connection(step, connection, key).await
                    }
                    (Value::Tx(tx), Some(key)) => self.tx(step, tx, key).await,
                    (_, None) => unreachable!("only a stream waits for its key"),
                };
                // At the end of the list, so that the following steps find other values first.
                let left = left?;
                self.held.borrow_mut().extend(left);
            }
        }
        Ok(())
    }

    /// Polls an acquire once while no permit is free: it must wait, and is then cancelled.
    async fn waits<T>(&self, asked: impl Future<Output = sqlx::Result<T>>) -> Result<(), Differs> {
        if poll_at_most(1, asked).await.is_some() {
            return Err("one permit too many".to_owned());
        }
        self.model.borrow_mut().seen.abandoned += 1;
        Ok(())
    }

    /// Accepts both outcomes of a cancelled operation: it was cancelled while it waited for its permit, or after the
    /// grant.
    fn given_up_somewhere(&self, if_granted: fn(&mut Seen)) {
        let seen = Seen::now(self.pool.name(), 0);
        let mut model = self.model.borrow_mut();
        if seen.abandoned == model.seen.abandoned {
            if_granted(&mut model.seen);
        } else {
            model.seen.abandoned += 1;
        }
    }

    /// Accepts the number of rows of a cancelled query: it depends on the database.
    fn accept_rows(&self) {
        let seen = Seen::now(self.pool.name(), 0);
        let mut model = self.model.borrow_mut();
        if (model.seen.rows..=model.seen.rows + 100).contains(&seen.rows) {
            model.seen.rows = seen.rows;
        }
    }
}
