//! A step on a stream, a connection or a transaction.

use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::leash::{self, Activity, ControlStats, HandleExt};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Executor, Sqlite, Transaction};

use crate::common::{HUNDRED, Tx, poll_at_most};
use crate::model::expected::Key;
use crate::model::program::{End, Step};

use super::{Differs, FAILING, Held, Ran, Value, World, run};

impl World {
    /// A step on a stream of the pool. Returns the stream if it is still open.
    pub(super) async fn stream(
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
                // Reads one row in a spawned task.
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

    pub(super) async fn connection(
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

    pub(super) async fn tx(
        &self,
        step: &Step,
        mut tx: Tx,
        key: Key,
    ) -> Result<Option<Held>, Differs> {
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

    /// Runs a statement on a handle. Other kinds of step have no effect.
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
                // A stream on a handle, dropped half-way.
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
            Step::QueryOnCancelled(_, polls) => {
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

    /// Runs the steps of a transaction that has just begun and of those nested in it, and ends each of them.
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

    pub(super) async fn end(
        &self,
        tx: Transaction<'_, Sqlite>,
        key: Key,
        end: End,
    ) -> Result<(), Differs> {
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
