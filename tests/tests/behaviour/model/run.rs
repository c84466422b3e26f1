//! Runs a program against the crate, and tells the model what it does.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::mem::ManuallyDrop;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, Once};

use futures::future::LocalBoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use sqlx::leash::{self, Activity, ControlStats, HandleExt, Lint, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Executor, Sqlite, Transaction, track};

use super::expected::{Key, Model, Seen};
use super::program::{End, PERMITS, Scope, Slot, Step};
use crate::common::{HUNDRED, TestPool, Tx, poll_at_most, poll_until, pool_of};

const FAILING: &str = "SELECT no_such_column";

/// The difference that was seen.
type Differs = String;
type Ran<'r> = LocalBoxFuture<'r, Result<(), Differs>>;

/// Something that holds a permit, or will.
enum Value {
    Connection(PoolConnection<Sqlite>),
    Tx(Tx),
    /// A stream, and how many of its rows were read; it has no key before the first.
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
    /// What was forgotten. As `mem::forget` does it; only so can a program end with all that it began.
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
    // What is left ends with the program, and the pool serves what was not lost for ever.
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

/// What a tracked function was told, for its caller: its own type says nothing of what it may hold.
type Told = Mutex<Result<(), Differs>>;

#[track]
async fn cannot_hold(world: &World, steps: &[Step], told: &Told) {
    let ran = run(world, steps).await;
    *told.lock().unwrap() = ran;
}

#[track]
async fn may_hold(world: &World, steps: &[Step], told: &Told) -> Option<Tx> {
    let ran = run(world, steps).await;
    *told.lock().unwrap() = ran;
    None
}

#[track]
async fn given_up(world: &World, steps: &[Step], told: &Told, here: &Cell<bool>) {
    let ran = run(world, steps).await;
    *told.lock().unwrap() = ran;
    here.set(true);
    pending::<()>().await;
}

#[track]
async fn unwound(world: &World, steps: &[Step], told: &Told) {
    let ran = run(world, steps).await;
    *told.lock().unwrap() = ran;
    // Unwinds like a panic, and prints nothing.
    std::panic::resume_unwind(Box::new("as modelled"));
}

fn full_name(function: &str) -> String {
    format!("{}::{function}", module_path!())
}

impl World {
    /// What the tracker says is what the model says.
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

    /// Whether a permit can be had; one that is on its way back counts.
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
                // Whether one is back already, is sqlx's to say; what follows must not depend on it.
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
            Step::AcquireGivenUp(polls) => {
                // Who waits for a permit that nobody gives back is polled once.
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
            Step::BeginGivenUp(polls) if self.has_permit() => {
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
            Step::QueryGivenUp(polls) if self.has_permit() => {
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
            Step::BeginGivenUp(_) | Step::QueryGivenUp(_) => {}
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
            | Step::QueryOnGivenUp(slot, _) => {
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
                // In front: steps that follow find others first.
                let left = left?;
                self.held.borrow_mut().extend(left);
            }
        }
        Ok(())
    }

    /// There is no permit: whoever asks for one waits, until it gives up.
    async fn waits<T>(&self, asked: impl Future<Output = sqlx::Result<T>>) -> Result<(), Differs> {
        if poll_at_most(1, asked).await.is_some() {
            return Err("a permit too many".to_owned());
        }
        self.model.borrow_mut().seen.abandoned += 1;
        Ok(())
    }

    /// Given up while it waited for its permit, or when it had it: either, and nothing between the two.
    fn given_up_somewhere(&self, if_granted: fn(&mut Seen)) {
        let seen = Seen::now(self.pool.name(), 0);
        let mut model = self.model.borrow_mut();
        if seen.abandoned == model.seen.abandoned {
            if_granted(&mut model.seen);
        } else {
            model.seen.abandoned += 1;
        }
    }

    /// How many rows had come when it was given up, is the database's to say.
    fn accept_rows(&self) {
        let seen = Seen::now(self.pool.name(), 0);
        let mut model = self.model.borrow_mut();
        if (model.seen.rows..=model.seen.rows + 100).contains(&seen.rows) {
            model.seen.rows = seen.rows;
        }
    }

    async fn scope(&self, scope: Scope, steps: &[Step]) -> Result<(), Differs> {
        let told = Told::new(Ok(()));
        let here = Cell::new(false);
        let enter = |name: String| self.model.borrow_mut().enter(name);
        match scope {
            Scope::ByHand => {
                enter("by hand".to_owned());
                leash::scope("by hand", run(self, steps)).await?;
                self.model.borrow_mut().leave_handing_up();
            }
            Scope::ByHandGivenUp => {
                enter("by hand".to_owned());
                let scope = leash::scope("by hand", async {
                    let ran = run(self, steps).await;
                    *told.lock().unwrap() = ran;
                    here.set(true);
                    pending::<()>().await;
                });
                poll_until(scope, || here.get()).await;
                self.model.borrow_mut().leave_holding_nothing();
            }
            Scope::Carried => {
                let is_carried = self.model.borrow().is_in_scope();
                if is_carried {
                    let name = self.model.borrow().scope();
                    enter(name);
                }
                run(self, steps).in_current_scope().await?;
                if is_carried {
                    self.model.borrow_mut().leave_handing_up();
                }
            }
            Scope::CannotHold => {
                enter(full_name("cannot_hold"));
                cannot_hold(self, steps, &told).await;
                self.model.borrow_mut().leave_holding_nothing();
            }
            Scope::MayHold => {
                enter(full_name("may_hold"));
                may_hold(self, steps, &told).await;
                self.model.borrow_mut().leave_handing_up();
            }
            Scope::GivenUp => {
                enter(full_name("given_up"));
                poll_until(given_up(self, steps, &told, &here), || here.get()).await;
                self.model.borrow_mut().leave_holding_nothing();
            }
            Scope::Unwound => {
                enter(full_name("unwound"));
                let caught = AssertUnwindSafe(unwound(self, steps, &told))
                    .catch_unwind()
                    .await;
                assert!(caught.is_err());
                self.model.borrow_mut().leave_holding_nothing();
            }
        }
        told.into_inner().unwrap()
    }

    /// A step on a stream of the pool's. Gives what is left of it.
    async fn stream(
        &self,
        step: &Step,
        mut rows: BoxStream<'static, sqlx::Result<SqliteRow>>,
        read: usize,
        key: Option<Key>,
    ) -> Result<Option<Held>, Differs> {
        match (step, key) {
            (Step::Read(_, more), _) => {
                if key.is_none() && !self.has_permit() {
                    let value = Value::Stream(rows, read);
                    return Ok(Some(Held { key, value }));
                }
                self.read(rows, read, *more, key).await
            }
            (Step::Forget(_), _) => {
                self.forget(key, Value::Stream(rows, read));
                Ok(None)
            }
            (Step::End(..) | Step::Close(_) | Step::Detach(_) | Step::Leak(_), key) => {
                drop(rows);
                if let Some(key) = key {
                    let mut model = self.model.borrow_mut();
                    model.seen.cancelled += 1;
                    model.seen.rows += read as u64;
                    model.release(key);
                }
                Ok(None)
            }
            (Step::Move(_), Some(known)) if read < 100 => {
                // One row, in a task of its own.
                let task = tokio::spawn(async move {
                    let row = rows.next().await.unwrap();
                    row.map(|_| rows)
                });
                let rows = task.await.unwrap().map_err(|error| error.to_string())?;
                self.model.borrow_mut().handle(known).rows += 1;
                let value = Value::Stream(rows, read + 1);
                Ok(Some(Held { key, value }))
            }
            _ => {
                let value = Value::Stream(rows, read);
                Ok(Some(Held { key, value }))
            }
        }
    }

    async fn read(
        &self,
        mut rows: BoxStream<'static, sqlx::Result<SqliteRow>>,
        mut read: usize,
        more: usize,
        mut key: Option<Key>,
    ) -> Result<Option<Held>, Differs> {
        for _ in 0..more {
            let row = rows.next().await;
            let known = *key.get_or_insert_with(|| {
                let mut model = self.model.borrow_mut();
                let key = model.grant();
                model.seen.calls += 1;
                let handle = model.handle(key);
                handle.statements = 1;
                handle.activity = Activity::Streaming;
                key
            });
            let Some(row) = row else {
                let mut model = self.model.borrow_mut();
                model.seen.ok += 1;
                model.seen.rows += read as u64;
                model.release(known);
                return Ok(None);
            };
            row.map_err(|error| error.to_string())?;
            read += 1;
            self.model.borrow_mut().handle(known).rows += 1;
            if read == 1 {
                self.look(&"the first row")?;
            }
        }
        let value = Value::Stream(rows, read);
        Ok(Some(Held { key, value }))
    }

    async fn connection(
        &self,
        step: &Step,
        mut connection: PoolConnection<Sqlite>,
        key: Key,
    ) -> Result<Option<Held>, Differs> {
        let failed = |error: sqlx::Error| format!("{step:?}: {error}");
        match step {
            Step::Close(_) => {
                connection.close().await.map_err(failed)?;
                self.model.borrow_mut().release(key);
                return Ok(None);
            }
            Step::Detach(_) => {
                drop(connection.detach());
                let mut model = self.model.borrow_mut();
                model.seen.detached += 1;
                model.release(key);
                return Ok(None);
            }
            Step::Leak(_) => {
                drop(connection.leak());
                self.model.borrow_mut().seen.leaked += 1;
                return Ok(None);
            }
            Step::Forget(_) => {
                self.forget(Some(key), Value::Connection(connection));
                return Ok(None);
            }
            Step::End(..) => {
                drop(connection);
                self.model.borrow_mut().release(key);
                return Ok(None);
            }
            Step::Reserve(_) => {
                connection = connection.long_lived("as modelled");
                self.model.borrow_mut().handle(key).reserved = true;
            }
            Step::Lend(_) => {
                let _: &mut SqliteConnection = connection.as_mut();
                self.model.borrow_mut().handle(key).activity = Activity::Lent;
            }
            Step::Move(_) => {
                let task = tokio::spawn(async move {
                    connection.fetch_all(HUNDRED).await?;
                    sqlx::Result::Ok(connection)
                });
                connection = task.await.unwrap().map_err(failed)?;
                self.model.borrow_mut().statement(key, 100, true);
            }
            Step::Inside(_, ends, steps) => {
                let tx = connection.begin().await.map_err(failed)?;
                self.inside(tx, key, ends, steps).await?;
            }
            _ => self.statement(step, &mut connection, key).await?,
        }
        let value = Value::Connection(connection);
        Ok(Some(Held {
            key: Some(key),
            value,
        }))
    }

    async fn tx(&self, step: &Step, mut tx: Tx, key: Key) -> Result<Option<Held>, Differs> {
        let failed = |error: sqlx::Error| format!("{step:?}: {error}");
        match step {
            Step::End(_, end) => {
                self.end(tx, key, *end).await?;
                self.model.borrow_mut().release(key);
                return Ok(None);
            }
            Step::Close(_) | Step::Detach(_) | Step::Leak(_) => {}
            Step::Forget(_) => {
                self.forget(Some(key), Value::Tx(tx));
                return Ok(None);
            }
            Step::Reserve(_) => {
                tx = tx.long_lived("as modelled");
                self.model.borrow_mut().handle(key).reserved = true;
            }
            Step::Lend(_) => {
                let _: &mut SqliteConnection = tx.as_mut();
                self.model.borrow_mut().handle(key).activity = Activity::Lent;
            }
            Step::Move(_) => {
                let task = tokio::spawn(async move {
                    tx.fetch_all(HUNDRED).await?;
                    sqlx::Result::Ok(tx)
                });
                tx = task.await.unwrap().map_err(failed)?;
                self.model.borrow_mut().statement(key, 100, true);
            }
            Step::Inside(_, ends, steps) => {
                let savepoint = tx.begin().await.map_err(failed)?;
                self.inside(savepoint, key, ends, steps).await?;
            }
            _ => self.statement(step, &mut tx, key).await?,
        }
        let value = Value::Tx(tx);
        Ok(Some(Held {
            key: Some(key),
            value,
        }))
    }

    /// A statement on a handle; other steps do nothing to it.
    async fn statement(
        &self,
        step: &Step,
        connection: &mut leash::Conn<'static, Sqlite>,
        key: Key,
    ) -> Result<(), Differs> {
        let failed = |error: sqlx::Error| format!("{step:?}: {error}");
        match step {
            Step::QueryOn(_) => {
                connection.fetch_all(HUNDRED).await.map_err(failed)?;
                self.model.borrow_mut().statement(key, 100, true);
            }
            Step::FailOn(_) => {
                if connection.execute(FAILING).await.is_ok() {
                    return Err("it fails".to_owned());
                }
                self.model.borrow_mut().statement(key, 0, false);
            }
            Step::Read(_, rows) => {
                // A stream on a handle, given up half-way.
                let rows = (*rows).min(99);
                {
                    let mut stream = connection.fetch(HUNDRED);
                    for read in 0..rows {
                        stream.next().await.unwrap().map_err(failed)?;
                        let mut model = self.model.borrow_mut();
                        if read == 0 {
                            model.seen.calls += 1;
                            let handle = model.handle(key);
                            handle.activity = Activity::Streaming;
                            handle.statements += 1;
                            handle.rows = 0;
                        }
                        model.handle(key).rows += 1;
                        drop(model);
                        if read == 0 {
                            self.look(&"the first row on a handle")?;
                        }
                    }
                }
                let mut model = self.model.borrow_mut();
                model.handle(key).activity = Activity::Idle;
                model.seen.cancelled += 1;
                model.seen.rows += rows as u64;
            }
            Step::QueryOnGivenUp(_, polls) => {
                let ended = poll_at_most(*polls, connection.fetch_all(HUNDRED)).await;
                match ended {
                    Some(result) => {
                        result.map_err(failed)?;
                        self.model.borrow_mut().statement(key, 100, true);
                    }
                    None if *polls > 0 => {
                        let mut model = self.model.borrow_mut();
                        model.statement(key, 0, true);
                        model.seen.ok -= 1;
                        model.seen.cancelled += 1;
                        drop(model);
                        self.accept_rows();
                    }
                    None => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A transaction that has just begun, those inside it, and how each of them ends.
    fn inside<'r>(
        &'r self,
        mut tx: Transaction<'r, Sqlite>,
        key: Key,
        ends: &'r [End],
        steps: &'r [Step],
    ) -> Ran<'r> {
        Box::pin(async move {
            let failed = |error: sqlx::Error| error.to_string();
            self.model.borrow_mut().begin(key);
            self.look(&"a transaction inside")?;
            let (last, further_in) = ends.split_last().unwrap();
            if further_in.is_empty() {
                run(self, steps).await?;
            } else {
                let savepoint = tx.begin().await.map_err(failed)?;
                // The borrow ends with the future, which is awaited here.
                self.inside(savepoint, key, further_in, steps).await?;
            }
            tx.execute("SELECT 1").await.map_err(failed)?;
            self.model.borrow_mut().statement(key, 1, true);
            self.look(&"a statement inside")?;
            self.end(tx, key, *last).await?;
            self.look(last)
        })
    }

    async fn end(&self, tx: Transaction<'_, Sqlite>, key: Key, end: End) -> Result<(), Differs> {
        let failed = |error: sqlx::Error| format!("{end:?}: {error}");
        let count: fn(&mut ControlStats) -> &mut u64 = match end {
            End::Drop => {
                drop(tx);
                |control| &mut control.implicit_rollbacks
            }
            End::Commit => {
                tx.commit().await.map_err(failed)?;
                |control| &mut control.commits
            }
            End::Rollback => {
                tx.rollback().await.map_err(failed)?;
                |control| &mut control.rollbacks
            }
        };
        self.model.borrow_mut().end(key, count);
        Ok(())
    }
}
