//! `outlived_scope` stays silent: whatever is dropped, returned, lent, given up or exempt.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, RwLock};

use futures::future::{BoxFuture, join, join_all, select};
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::leash::{self, HandleExt, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{
    Acquire, Connection, Executor, Row, Sqlite, SqliteExecutor, SqlitePool, Transaction, track,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Duration, timeout};

use crate::common::{
    HUNDRED, TestPool, Tx, of_leaks, poll_at_most, pool, pool_of, returned, silent,
};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

#[tokio::test]
async fn ended_where_it_began() {
    #[track]
    async fn dropped(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        drop(tx);
        Ok(())
    }
    #[track]
    async fn fallen_out_of_scope(pool: &SqlitePool) {
        let _tx = pool.begin().await.unwrap();
    }
    #[track]
    async fn committed(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut tx = pool.begin().await?;
        let answer = sqlx::query_scalar("SELECT 1").fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(answer)
    }
    #[track]
    async fn rolled_back(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        tx.rollback().await
    }
    #[track]
    async fn savepoints(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        let mut inner = tx.begin().await?;
        let innermost = inner.begin().await?;
        drop(innermost);
        inner.commit().await?;
        tx.commit().await
    }
    #[track]
    async fn closed(pool: &SqlitePool) -> sqlx::Result<()> {
        pool.acquire().await?.close().await
    }
    #[track]
    async fn closed_on_drop(pool: &SqlitePool) -> sqlx::Result<()> {
        pool.acquire().await?.close_on_drop();
        Ok(())
    }
    #[track]
    async fn temporaries(pool: &SqlitePool) -> sqlx::Result<u64> {
        let done = pool.acquire().await?.execute("SELECT 1").await?;
        Ok(done.rows_affected())
    }
    let pool = pool().await;
    silent(&pool, dropped(&pool)).await;
    silent(&pool, fallen_out_of_scope(&pool)).await;
    silent(&pool, committed(&pool)).await;
    silent(&pool, rolled_back(&pool)).await;
    silent(&pool, savepoints(&pool)).await;
    silent(&pool, closed(&pool)).await;
    silent(&pool, closed_on_drop(&pool)).await;
    silent(&pool, temporaries(&pool)).await;
}

trait Unit: Send {
    fn depth(&self) -> u8;
}

struct UnitOfWork {
    tx: Tx,
}

impl Unit for UnitOfWork {
    fn depth(&self) -> u8 {
        let _ = &self.tx;
        1
    }
}

enum State {
    Idle,
    Working(Tx),
}

struct Guarded {
    tx: Mutex<Option<Tx>>,
}

struct Generic<T> {
    inner: T,
}

#[tokio::test]
async fn returned_in_every_kind_of_value() {
    #[track]
    async fn itself(pool: &SqlitePool) -> Tx {
        pool.begin().await.unwrap()
    }
    #[track]
    async fn in_result(pool: &SqlitePool) -> sqlx::Result<Tx> {
        pool.begin().await
    }
    #[track]
    async fn connection(pool: &SqlitePool) -> anyhow::Result<PoolConnection<Sqlite>> {
        Ok(pool.acquire().await?)
    }
    #[track]
    async fn in_option(pool: &SqlitePool) -> Option<Tx> {
        pool.begin().await.ok()
    }
    #[track]
    async fn in_result_of_option(pool: &SqlitePool) -> sqlx::Result<Option<(u8, Tx)>> {
        Ok(Some((1, pool.begin().await?)))
    }
    #[track]
    async fn in_tuple(pool: &SqlitePool) -> (i64, Tx) {
        (1, pool.begin().await.unwrap())
    }
    #[track]
    async fn in_struct(pool: &SqlitePool) -> sqlx::Result<UnitOfWork> {
        Ok(UnitOfWork {
            tx: pool.begin().await?,
        })
    }
    #[track]
    async fn in_trait_object(pool: &SqlitePool) -> Box<dyn Unit> {
        Box::new(UnitOfWork {
            tx: pool.begin().await.unwrap(),
        })
    }
    #[track]
    async fn in_arc_of_trait(pool: &SqlitePool) -> Arc<Mutex<dyn Unit>> {
        Arc::new(Mutex::new(UnitOfWork {
            tx: pool.begin().await.unwrap(),
        }))
    }
    #[track]
    async fn in_vec(pool: &SqlitePool) -> Vec<Tx> {
        vec![pool.begin().await.unwrap()]
    }
    #[track]
    async fn in_enum(pool: &SqlitePool) -> State {
        State::Working(pool.begin().await.unwrap())
    }
    #[track]
    async fn in_box(pool: &SqlitePool) -> Box<Tx> {
        Box::new(pool.begin().await.unwrap())
    }
    #[track]
    async fn in_async_mutex(pool: &SqlitePool) -> Arc<tokio::sync::Mutex<Tx>> {
        Arc::new(tokio::sync::Mutex::new(pool.begin().await.unwrap()))
    }
    #[track]
    async fn in_rc(pool: &SqlitePool) -> Rc<RefCell<Option<Tx>>> {
        Rc::new(RefCell::new(Some(pool.begin().await.unwrap())))
    }
    #[track]
    async fn as_impl_trait(pool: &SqlitePool) -> impl Unit + use<> {
        UnitOfWork {
            tx: pool.begin().await.unwrap(),
        }
    }
    #[track]
    async fn as_generic<T>(pool: &SqlitePool, make: impl Fn(Tx) -> T) -> Generic<T> {
        Generic {
            inner: make(pool.begin().await.unwrap()),
        }
    }
    #[track]
    async fn in_a_closure(
        pool: &SqlitePool,
    ) -> impl FnOnce() -> BoxFuture<'static, sqlx::Result<()>> + use<> {
        let tx = pool.begin().await.unwrap();
        move || tx.commit().boxed()
    }
    #[track]
    async fn in_an_async_block(
        pool: &SqlitePool,
    ) -> impl Future<Output = sqlx::Result<()>> + use<> {
        let tx = pool.begin().await.unwrap();
        async move { tx.commit().await }
    }
    #[track]
    async fn as_impl_future(pool: &SqlitePool) -> impl Future<Output = sqlx::Result<()>> + use<> {
        let tx = pool.begin().await.unwrap();
        tx.commit()
    }
    #[track]
    async fn in_a_boxed_future(
        pool: &SqlitePool,
    ) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send>> {
        let tx = pool.begin().await.unwrap();
        Box::pin(tx.commit())
    }
    #[track]
    async fn in_assert_unwind_safe(pool: &SqlitePool) -> AssertUnwindSafe<Tx> {
        AssertUnwindSafe(pool.begin().await.unwrap())
    }

    let pool = pool().await;
    drop(returned(&pool, itself(&pool)).await);
    drop(returned(&pool, in_result(&pool)).await);
    drop(returned(&pool, connection(&pool)).await);
    drop(returned(&pool, in_option(&pool)).await);
    drop(returned(&pool, in_result_of_option(&pool)).await);
    drop(returned(&pool, in_tuple(&pool)).await);
    drop(returned(&pool, in_struct(&pool)).await);
    assert_eq!(returned(&pool, in_trait_object(&pool)).await.depth(), 1);
    drop(returned(&pool, in_arc_of_trait(&pool)).await);
    drop(returned(&pool, in_vec(&pool)).await);
    let mut state = returned(&pool, in_enum(&pool)).await;
    if let State::Working(tx) = std::mem::replace(&mut state, State::Idle) {
        tx.commit().await.unwrap();
    }
    drop(returned(&pool, in_box(&pool)).await);
    drop(returned(&pool, in_async_mutex(&pool)).await);
    drop(returned(&pool, in_rc(&pool)).await);
    drop(returned(&pool, as_impl_trait(&pool)).await);
    drop(returned(&pool, as_generic(&pool, |tx| tx)).await.inner);
    let commit = returned(&pool, in_a_closure(&pool)).await;
    commit().await.unwrap();
    returned(&pool, in_an_async_block(&pool))
        .await
        .await
        .unwrap();
    returned(&pool, as_impl_future(&pool)).await.await.unwrap();
    returned(&pool, in_a_boxed_future(&pool))
        .await
        .await
        .unwrap();
    drop(returned(&pool, in_assert_unwind_safe(&pool)).await);
    pool.assert_serves_all().await;
}

/// The standard library and tokio call these `UnwindSafe` whatever they hold.
#[tokio::test]
async fn returned_in_a_lock() {
    #[track]
    async fn in_mutex(pool: &SqlitePool) -> Mutex<Tx> {
        Mutex::new(pool.begin().await.unwrap())
    }
    #[track]
    async fn in_arc_of_mutex(
        pool: &SqlitePool,
    ) -> sqlx::Result<Arc<Mutex<Option<PoolConnection<Sqlite>>>>> {
        Ok(Arc::new(Mutex::new(Some(pool.acquire().await?))))
    }
    #[track]
    async fn in_rw_lock(pool: &SqlitePool) -> RwLock<Tx> {
        RwLock::new(pool.begin().await.unwrap())
    }
    #[track]
    async fn of_a_struct(pool: &SqlitePool) -> Mutex<UnitOfWork> {
        Mutex::new(UnitOfWork {
            tx: pool.begin().await.unwrap(),
        })
    }
    #[track(returns_handle)]
    async fn in_a_struct(pool: &SqlitePool) -> Guarded {
        Guarded {
            tx: Mutex::new(Some(pool.begin().await.unwrap())),
        }
    }
    let pool = pool().await;
    drop(returned(&pool, in_mutex(&pool)).await);
    drop(returned(&pool, in_arc_of_mutex(&pool)).await);
    drop(returned(&pool, in_rw_lock(&pool)).await);
    let guarded = returned(&pool, in_a_struct(&pool)).await;
    drop(guarded.tx.lock().unwrap().take());
    drop(guarded);
    drop(returned(&pool, of_a_struct(&pool)).await);
}

#[tokio::test]
async fn returned_in_a_channel() {
    #[track]
    async fn in_sync_channel(pool: &SqlitePool) -> std::sync::mpsc::Receiver<Tx> {
        let (sender, receiver) = std::sync::mpsc::channel();
        sender.send(pool.begin().await.unwrap()).unwrap();
        receiver
    }
    #[track]
    async fn in_async_channel(pool: &SqlitePool) -> tokio::sync::mpsc::UnboundedReceiver<Tx> {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        sender.send(pool.begin().await.unwrap()).unwrap();
        receiver
    }
    #[track]
    async fn in_one_shot(pool: &SqlitePool) -> oneshot::Receiver<Tx> {
        let (sender, receiver) = oneshot::channel();
        assert!(sender.send(pool.begin().await.unwrap()).is_ok());
        receiver
    }
    let pool = pool().await;
    drop(returned(&pool, in_sync_channel(&pool)).await);
    drop(returned(&pool, in_one_shot(&pool)).await);
    drop(returned(&pool, in_async_channel(&pool)).await);
}

/// Of an actor, whose task owns the connection.
struct Mailbox {
    jobs: mpsc::Sender<&'static str>,
    task: JoinHandle<()>,
}

impl Mailbox {
    async fn with(pool: &SqlitePool) -> Self {
        let mut conn = pool.acquire().await.unwrap();
        let (jobs, mut received) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            while let Some(job) = received.recv().await {
                conn.execute(job).await.unwrap();
            }
        });
        Self { jobs, task }
    }

    async fn ends(self) {
        drop(self.jobs);
        self.task.await.unwrap();
    }
}

/// Neither a channel's end nor a task is seen inside a struct.
#[tokio::test]
async fn returned_in_an_actor() {
    #[track(returns_handle)]
    async fn said_so(pool: &SqlitePool) -> Mailbox {
        Mailbox::with(pool).await
    }
    #[track]
    async fn unsaid(pool: &SqlitePool) -> Mailbox {
        Mailbox::with(pool).await
    }
    let pool = pool().await;
    let mailbox = returned(&pool, said_so(&pool)).await;
    mailbox.jobs.send(INSERT).await.unwrap();
    mailbox.ends().await;
    let (mailbox, found) = leash::testing::findings(unsaid(&pool)).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lint, leash::Lint::OutlivedScope);
    mailbox.ends().await;
}

#[tokio::test]
async fn returned_in_a_join_handle() {
    #[track]
    async fn in_task(pool: &SqlitePool) -> tokio::task::JoinHandle<Tx> {
        let tx = pool.begin().await.unwrap();
        tokio::spawn(async move { tx })
    }
    let pool = pool().await;
    drop(returned(&pool, in_task(&pool)).await.await.unwrap());
    pool.assert_empty();
}

struct Carrying {
    tx: Tx,
}

#[derive(Debug, thiserror::Error)]
#[error("not committed")]
struct Uncommitted {
    tx: Mutex<Option<Tx>>,
}

#[tokio::test]
async fn carried_by_an_error() {
    #[track]
    async fn refused(pool: &SqlitePool) -> Result<(), Carrying> {
        Err(Carrying {
            tx: pool.begin().await.unwrap(),
        })
    }
    #[track]
    async fn handed_back(pool: &SqlitePool) -> Result<i64, Tx> {
        Err(pool.begin().await.unwrap())
    }
    #[track(returns_handle)]
    async fn said_so(pool: &SqlitePool) -> Result<(), Uncommitted> {
        Err(Uncommitted {
            tx: Mutex::new(Some(pool.begin().await.unwrap())),
        })
    }
    let pool = pool().await;
    drop(returned(&pool, refused(&pool)).await.unwrap_err().tx);
    drop(returned(&pool, handed_back(&pool)).await);
    drop(returned(&pool, said_so(&pool)).await.unwrap_err().tx);
    pool.assert_empty();
}

#[tokio::test]
async fn lent_to_callees() {
    #[track]
    async fn with_transaction(tx: &mut Transaction<'_, Sqlite>) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut **tx).await?;
        Ok(())
    }
    #[track]
    async fn with_plain(connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut *connection).await?;
        connection.execute(INSERT).await?;
        Ok(())
    }
    #[track]
    async fn with_pooled(connection: &mut PoolConnection<Sqlite>) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut **connection).await?;
        Ok(())
    }
    #[track]
    async fn with_executor<'e>(executor: impl SqliteExecutor<'e>) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(executor).await?;
        Ok(())
    }
    #[track]
    async fn with_acquire<'a>(from: impl Acquire<'a, Database = Sqlite>) -> sqlx::Result<()> {
        let mut connection = from.acquire().await?;
        sqlx::query(INSERT).execute(&mut **connection).await?;
        Ok(())
    }
    #[track]
    async fn with_begin<'a>(from: impl Acquire<'a, Database = Sqlite>) -> sqlx::Result<()> {
        let mut tx = from.begin().await?;
        tx.execute(INSERT).await?;
        tx.commit().await
    }
    async fn untracked(tx: &mut Tx) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut **tx).await?;
        Ok(())
    }
    #[track]
    async fn lends_to_all(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        with_transaction(&mut tx).await?;
        with_plain(&mut tx).await?;
        untracked(&mut tx).await?;
        with_executor(&mut *tx).await?;
        with_acquire(&mut tx).await?;
        with_begin(&mut *tx).await?;
        tx.commit().await?;
        let mut connection = pool.acquire().await?;
        with_pooled(&mut connection).await?;
        with_plain(&mut connection).await?;
        with_begin(&mut *connection).await?;
        with_executor(&mut *connection).await?;
        drop(connection);
        with_executor(pool).await?;
        with_acquire(pool).await?;
        with_begin(pool).await
    }
    let pool = pool().await;
    let all = async {
        lends_to_all(&pool).await.unwrap();
    };
    silent(&pool, all).await;
    let written: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
        .fetch_one(&*pool)
        .await
        .unwrap();
    assert_eq!(written, 15, "all of it was written");
}

/// The handle belongs to who lent it, also while a callee ends that took nothing itself.
#[tokio::test]
async fn owned_by_the_caller_while_a_callee_ends() {
    #[track]
    async fn callee(tx: &mut Tx, pool: &SqlitePool) -> sqlx::Result<()> {
        let own = pool.acquire().await?;
        sqlx::query(INSERT).execute(&mut **tx).await?;
        drop(own);
        Ok(())
    }
    #[track]
    async fn caller(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut first = pool.begin().await?;
        callee(&mut first, pool).await?;
        first.commit().await
    }
    let pool = pool().await;
    silent(&pool, caller(&pool)).await;
}

#[tokio::test]
async fn returned_early_by_an_error() {
    #[derive(Debug, thiserror::Error)]
    #[error("failed")]
    struct Failed(#[from] sqlx::Error);

    #[track]
    async fn fails(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute("SELECT no_such_column").await?;
        tx.commit().await
    }
    #[track]
    async fn fails_with_anyhow(pool: &SqlitePool) -> anyhow::Result<i64> {
        let mut tx = pool.begin().await?;
        let row = sqlx::query("SELECT 'text'").fetch_one(&mut *tx).await?;
        Ok(row.try_get::<i64, _>("no_such_column")?)
    }
    #[track]
    async fn fails_with_own(pool: &SqlitePool) -> Result<String, Failed> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        while let Some(row) = rows.try_next().await? {
            row.try_get::<String, _>("no_such_column")?;
        }
        Ok(String::new())
    }
    let pool = pool().await;
    silent(&pool, async { fails(&pool).await.unwrap_err() }).await;
    silent(&pool, async { fails_with_anyhow(&pool).await.unwrap_err() }).await;
    silent(&pool, async { fails_with_own(&pool).await.unwrap_err() }).await;
}

#[tokio::test]
async fn unwound_by_a_panic() {
    #[track]
    async fn panics(pool: &SqlitePool) {
        let mut tx = pool.begin().await.unwrap();
        tx.execute(INSERT).await.unwrap();
        let mut rows = sqlx::query(HUNDRED).fetch(&mut *tx);
        rows.next().await.unwrap().unwrap();
        panic!("as tested");
    }
    #[track]
    async fn around(pool: &SqlitePool) {
        let _held = pool.acquire().await.unwrap();
        panics(pool).await;
    }
    let pool = pool().await;
    silent(
        &pool,
        AssertUnwindSafe(around(&pool))
            .catch_unwind()
            .map(|caught| caught.unwrap_err().is::<&str>()),
    )
    .await;
    pool.assert_serves_all().await;
}

/// One function with every kind of await, given up after each poll there is.
#[tokio::test]
async fn given_up_at_every_await() {
    #[track]
    async fn inner(tx: &mut Tx) -> sqlx::Result<()> {
        let mut savepoint = tx.begin().await?;
        yield_now().await;
        savepoint.execute(INSERT).await?;
        yield_now().await;
        savepoint.commit().await
    }
    #[track]
    async fn everything(pool: &SqlitePool) -> sqlx::Result<usize> {
        // A place to give up at after each, however fast the database answers.
        let mut tx = pool.begin().await?;
        yield_now().await;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        yield_now().await;
        inner(&mut tx).await?;
        yield_now().await;
        let rows = sqlx::query(HUNDRED)
            .fetch(&mut *tx)
            .try_collect::<Vec<_>>()
            .await?
            .len();
        yield_now().await;
        tx.commit().await?;
        yield_now().await;
        let mut connection = pool.acquire().await?;
        yield_now().await;
        connection.ping().await?;
        sqlx::query(HUNDRED).fetch_all(&mut *connection).await?;
        connection.close().await?;
        Ok(rows)
    }
    let pool = pool_of(2).await;
    let mut polls = 0;
    loop {
        polls += 1;
        let (done, findings) =
            leash::testing::findings(poll_at_most(polls, everything(&pool))).await;
        assert!(of_leaks(findings).is_empty(), "given up at poll {polls}");
        pool.assert_serves_all().await;
        if let Some(result) = done {
            assert_eq!(result.unwrap(), 100);
            break;
        }
    }
    assert!(polls > 8, "it was given up at several places: {polls}");
}

#[tokio::test]
async fn in_branches() {
    #[track]
    async fn query(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut tx = pool.begin().await?;
        let answer = sqlx::query_scalar("SELECT 1").fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(answer)
    }
    #[track]
    async fn hold_for_ever(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        pending::<()>().await;
        tx.commit().await
    }
    #[track]
    async fn joined(pool: &SqlitePool) -> sqlx::Result<i64> {
        let joined = tokio::join!(query(pool), query(pool));
        let tried = tokio::try_join!(query(pool), query(pool))?;
        let by_function = join(query(pool), query(pool)).await;
        Ok(joined.0? + joined.1? + tried.0 + tried.1 + by_function.0? + by_function.1?)
    }
    #[track]
    async fn one_of_them_fails(pool: &SqlitePool) -> sqlx::Result<()> {
        tokio::try_join!(hold_for_ever(pool), async {
            Err::<(), _>(sqlx::Error::RowNotFound)
        })?;
        Ok(())
    }
    #[track]
    async fn selected(pool: &SqlitePool) -> sqlx::Result<()> {
        tokio::select! {
            biased;
            () = async { hold_for_ever(pool).await.unwrap() } => unreachable!(),
            answer = query(pool) => assert_eq!(answer?, 1),
        }
        let held = Box::pin(hold_for_ever(pool));
        let asked = Box::pin(query(pool));
        let _ = select(held, asked).await;
        Ok(())
    }
    #[track]
    async fn too_late(pool: &SqlitePool) -> bool {
        timeout(Duration::from_millis(1), hold_for_ever(pool))
            .await
            .is_err()
    }
    #[track]
    async fn unordered(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut all: FuturesUnordered<_> = (0..8).map(|_| query(pool)).collect();
        let first = all.try_next().await?;
        // The rest is given up half-way.
        drop(all);
        let rest = join_all((0..3).map(|_| query(pool))).await;
        Ok(first.unwrap_or_default() + rest.into_iter().sum::<sqlx::Result<i64>>()?)
    }
    #[track]
    async fn spawned_and_awaited(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        let task = tokio::spawn(async move {
            tx.execute(INSERT).await?;
            tx.commit().await
        });
        task.await.expect("the task does not panic")
    }
    #[track]
    async fn spawned_in_scope(pool: &SqlitePool) -> sqlx::Result<i64> {
        let pool = pool.clone();
        let task = tokio::spawn(async move { query(&pool).await }.in_current_scope());
        task.await.expect("the task does not panic")
    }
    #[track]
    async fn aborted(pool: &SqlitePool) -> bool {
        let (begun, has_begun) = oneshot::channel();
        let pool = pool.clone();
        let task = tokio::spawn(
            async move {
                let _tx = pool.begin().await.unwrap();
                begun.send(()).unwrap();
                pending::<()>().await;
            }
            .in_current_scope(),
        );
        has_begun.await.unwrap();
        task.abort();
        task.await.unwrap_err().is_cancelled()
    }
    let pool = pool().await;
    silent(&pool, joined(&pool).map(|sum| assert_eq!(sum.unwrap(), 6))).await;
    silent(&pool, one_of_them_fails(&pool)).await;
    silent(&pool, selected(&pool)).await;
    silent(&pool, too_late(&pool).map(|late| assert!(late))).await;
    silent(&pool, unordered(&pool)).await;
    silent(&pool, spawned_and_awaited(&pool).map(Result::unwrap)).await;
    silent(&pool, spawned_in_scope(&pool).map(Result::unwrap)).await;
    silent(&pool, aborted(&pool).map(|cancelled| assert!(cancelled))).await;
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn taken_out_of_the_pool() {
    #[track]
    async fn detached(pool: &SqlitePool, kept: &mut Vec<SqliteConnection>) -> sqlx::Result<()> {
        let connection = pool.acquire().await?;
        kept.push(connection.detach());
        Ok(())
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    silent(&pool, detached(&pool, &mut kept)).await;
    assert_eq!(pool.stats().detached, 1);
    sqlx::query("SELECT 1").execute(&mut kept[0]).await.unwrap();
}

#[tokio::test]
async fn meant_to_live_long() {
    #[track]
    async fn connection(
        pool: &SqlitePool,
        kept: &mut Vec<PoolConnection<Sqlite>>,
    ) -> sqlx::Result<()> {
        kept.push(
            pool.acquire()
                .await?
                .long_lived("the lock is held for the whole run"),
        );
        Ok(())
    }
    #[track]
    async fn transaction(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<()> {
        kept.push(pool.begin().await?.long_lived("the import"));
        Ok(())
    }
    #[track]
    async fn leaked(pool: &SqlitePool) -> sqlx::Result<()> {
        let plain = pool.acquire().await?.long_lived("a listener").leak();
        drop(plain);
        Ok(())
    }
    let pool = pool().await;
    let (mut connections, mut transactions) = (Vec::new(), Vec::new());
    let (result, findings) = leash::testing::findings(async {
        connection(&pool, &mut connections).await?;
        transaction(&pool, &mut transactions).await?;
        leaked(&pool).await
    })
    .await;
    result.unwrap();
    assert!(of_leaks(findings).is_empty());
    let reasons: Vec<_> = pool
        .handles()
        .into_iter()
        .map(|handle| handle.reserved.unwrap_or_default())
        .collect();
    assert_eq!(
        reasons,
        [
            "the lock is held for the whole run",
            "the import",
            "a listener"
        ]
    );
    assert_eq!((pool.stats().handles, pool.stats().reserved), (3, 3));
}

#[tokio::test]
async fn tried_and_not_had() {
    #[track]
    async fn tries(pool: &SqlitePool) -> bool {
        let held = pool.acquire().await.unwrap();
        let second = pool.try_acquire();
        let begun = pool.try_begin().await.unwrap();
        drop(held);
        second.is_none() && begun.is_none()
    }
    #[track]
    async fn tries_and_has(pool: &SqlitePool) -> bool {
        pool.try_acquire().is_some()
    }
    let pool = pool_of(1).await;
    silent(&pool, tries(&pool).map(|none| assert!(none))).await;
    pool.has_idle(1).await;
    silent(&pool, tries_and_has(&pool).map(|some| assert!(some))).await;
}

/// A thing that owns its connection, as actors and listeners do.
struct Actor {
    connection: PoolConnection<Sqlite>,
    sent: u64,
}

#[track]
impl Actor {
    async fn start(pool: &SqlitePool) -> sqlx::Result<Self> {
        let mut actor = Self {
            connection: pool.acquire().await?,
            sent: 0,
        };
        actor.send().await?;
        Ok(actor)
    }

    async fn send(&mut self) -> sqlx::Result<()> {
        self.connection.execute(INSERT).await?;
        self.sent += 1;
        Ok(())
    }

    async fn renew(&mut self, pool: &SqlitePool) -> sqlx::Result<&mut Self> {
        self.connection = pool.acquire().await?;
        Ok(self)
    }

    async fn stop(self) -> sqlx::Result<u64> {
        self.connection.close().await?;
        Ok(self.sent)
    }
}

#[tokio::test]
async fn an_actor_that_owns_a_connection() {
    let pool = pool().await;
    let mut actor = returned(&pool, Actor::start(&pool)).await.unwrap();
    let ((), findings) = leash::testing::findings(async {
        actor.send().await.unwrap();
        actor.renew(&pool).await.unwrap().send().await.unwrap();
        assert_eq!(actor.stop().await.unwrap(), 3);
    })
    .await;
    assert!(of_leaks(findings).is_empty());
    pool.assert_empty();
}

#[tokio::test]
async fn in_transaction_closures() {
    #[track]
    async fn in_closure(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut connection = pool.acquire().await?;
        connection
            .transaction(|tx| {
                Box::pin(async move {
                    sqlx::query(INSERT).execute(&mut **tx).await?;
                    sqlx::query_scalar("SELECT count(*) FROM exam")
                        .fetch_one(&mut **tx)
                        .await
                })
            })
            .await
    }
    async fn with_tx<T>(
        pool: &SqlitePool,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let mut tx = pool.begin().await?;
        let value = work(&mut tx).await?;
        tx.commit().await?;
        Ok(value)
    }
    #[track]
    async fn in_own_closure(pool: &SqlitePool) -> sqlx::Result<u64> {
        with_tx(pool, |tx| {
            Box::pin(async move {
                Ok(sqlx::query(INSERT)
                    .execute(&mut **tx)
                    .await?
                    .rows_affected())
            })
        })
        .await
    }
    let pool = pool().await;
    silent(
        &pool,
        in_closure(&pool).map(|count| assert_eq!(count.unwrap(), 1)),
    )
    .await;
    silent(
        &pool,
        in_own_closure(&pool).map(|count| assert_eq!(count.unwrap(), 1)),
    )
    .await;
}

#[tokio::test]
async fn in_recursion() {
    #[track]
    fn descend<'a>(pool: &'a SqlitePool, depth: u8) -> BoxFuture<'a, sqlx::Result<u8>> {
        Box::pin(async move {
            if depth == 0 {
                return Ok(0);
            }
            let held = pool.acquire().await?;
            let below = descend(pool, depth - 1).await?;
            drop(held);
            Ok(below + 1)
        })
    }
    #[track]
    async fn hand_up(pool: &SqlitePool, depth: u8) -> sqlx::Result<Tx> {
        if depth == 0 {
            pool.begin().await
        } else {
            Box::pin(hand_up(pool, depth - 1)).await
        }
    }
    let pool = pool().await;
    silent(
        &pool,
        descend(&pool, 4).map(|depth| assert_eq!(depth.unwrap(), 4)),
    )
    .await;
    drop(returned(&pool, hand_up(&pool, 6)).await);
}

#[tokio::test]
async fn streams() {
    #[track]
    async fn read_to_the_end(pool: &SqlitePool) -> sqlx::Result<usize> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        let mut read = 0;
        while rows.try_next().await?.is_some() {
            read += 1;
        }
        Ok(read)
    }
    #[track]
    async fn dropped_half_way(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut rows = sqlx::query_scalar(HUNDRED).fetch(pool);
        let first = rows.try_next().await?.unwrap();
        drop(rows);
        Ok(first)
    }
    #[track]
    async fn returned_half_read(pool: &SqlitePool) -> BoxStream<'static, sqlx::Result<SqliteRow>> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        rows.next().await.unwrap().unwrap();
        rows
    }
    #[track]
    fn rows(pool: &SqlitePool) -> BoxStream<'_, sqlx::Result<SqliteRow>> {
        sqlx::query(HUNDRED).fetch(pool)
    }
    #[track]
    fn numbers(pool: &SqlitePool) -> impl futures::Stream<Item = sqlx::Result<i64>> + '_ {
        sqlx::query(HUNDRED).fetch(pool).map(|row| row?.try_get(0))
    }
    #[track]
    async fn reads_a_tracked_stream(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut sum = 0;
        let mut numbers = std::pin::pin!(numbers(pool));
        while let Some(number) = numbers.try_next().await? {
            sum += number;
        }
        Ok(sum)
    }
    let pool = pool().await;
    silent(
        &pool,
        read_to_the_end(&pool).map(|read| assert_eq!(read.unwrap(), 100)),
    )
    .await;
    silent(
        &pool,
        dropped_half_way(&pool).map(|first| assert_eq!(first.unwrap(), 1)),
    )
    .await;
    let rest = returned(&pool, returned_half_read(&pool)).await;
    assert_eq!(rest.count().await, 99);
    pool.assert_empty();
    silent(&pool, rows(&pool).count().map(|rows| assert_eq!(rows, 100))).await;
    silent(
        &pool,
        reads_a_tracked_stream(&pool).map(|sum| assert_eq!(sum.unwrap(), 5050)),
    )
    .await;
}

#[tokio::test]
async fn scopes_by_hand_and_carried_ones_hand_up() {
    #[track]
    async fn keeps_what_its_task_returned(pool: &SqlitePool) -> sqlx::Result<()> {
        let taking = pool.begin();
        let mut tx = taking.in_current_scope().await?;
        tx.execute(INSERT).await?;
        tx.commit().await
    }
    let pool = pool().await;
    let by_hand = leash::scope("by hand", async { pool.begin().await.unwrap() });
    drop(returned(&pool, by_hand).await);

    silent(&pool, keeps_what_its_task_returned(&pool)).await;
}

/// The same function is called from code that is not tracked, and from code that is.
#[tokio::test]
async fn without_a_scope_around() {
    async fn untracked(pool: &TestPool) -> sqlx::Result<()> {
        let kept: Tx = pool.begin().await?;
        tokio::spawn(async move { kept.commit().await })
            .await
            .expect("the task does not panic")
    }
    let pool = pool().await;
    silent(&pool, untracked(&pool)).await;
}

struct Shown(Tx);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shown")
    }
}

#[tokio::test]
async fn held_by_what_can_be_shown() {
    #[track]
    async fn shown(pool: &SqlitePool) -> Shown {
        Shown(pool.begin().await.unwrap())
    }
    #[track]
    async fn shown_in_result(pool: &SqlitePool) -> Result<Shown, String> {
        Ok(Shown(
            pool.begin().await.map_err(|error| error.to_string())?,
        ))
    }
    let pool = pool().await;
    drop(returned(&pool, shown(&pool)).await.0);
    drop(returned(&pool, shown_in_result(&pool)).await.unwrap().0);
}
