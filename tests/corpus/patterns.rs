//! Other patterns of real code bases: statics, actors, tasks, joins, error types.

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::{self, FutureExt};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Executor, Sqlite, SqlitePool, Transaction};
use tokio::sync::{OnceCell, mpsc, oneshot};

use super::clinic;

static POOL: OnceCell<SqlitePool> = OnceCell::const_new();
static LAZY: LazyLock<Mutex<Option<SqlitePool>>> = LazyLock::new(Mutex::default);

async fn pool() -> &'static SqlitePool {
    POOL.get_or_init(|| async { SqlitePool::connect_lazy("sqlite::memory:").unwrap() })
        .await
}

#[tokio::test]
async fn pools_in_statics() -> sqlx::Result<()> {
    let answer: i64 = sqlx::query_scalar("SELECT 42")
        .fetch_one(pool().await)
        .await?;
    assert_eq!(answer, 42);
    let tx: Transaction<'static, Sqlite> = pool().await.begin().await?;
    tx.commit().await?;
    pool().await.close().await;

    let pool = clinic::in_memory().await;
    LAZY.lock().unwrap().replace(pool);
    let pool = LAZY.lock().unwrap().clone().unwrap();
    assert_eq!(clinic::patients(&pool).await, 3);
    let leaked: &'static SqlitePool = Box::leak(Box::new(pool));
    assert_eq!(clinic::patients(leaked).await, 3);
    LAZY.lock().unwrap().take();
    leaked.close().await;
    Ok(())
}

enum Command {
    Add(String, oneshot::Sender<sqlx::Result<i64>>),
    Count(oneshot::Sender<sqlx::Result<i64>>),
}

/// Owns a connection until the last sender of commands is dropped.
struct Actor {
    conn: PoolConnection<Sqlite>,
    inbox: mpsc::Receiver<Command>,
}

impl Actor {
    async fn run(mut self) {
        while let Some(command) = self.inbox.recv().await {
            match command {
                Command::Add(name, reply) => {
                    let _ = reply.send(self.add(&name).await);
                }
                Command::Count(reply) => {
                    let count = sqlx::query_scalar("SELECT COUNT(*) FROM patient")
                        .fetch_one(&mut *self.conn)
                        .await;
                    let _ = reply.send(count);
                }
            }
        }
    }

    async fn add(&mut self, name: &str) -> sqlx::Result<i64> {
        let done = sqlx::query("INSERT INTO patient (name) VALUES (?)")
            .bind(name)
            .execute(&mut *self.conn)
            .await?;
        Ok(done.last_insert_rowid())
    }
}

#[tokio::test]
async fn an_actor() -> anyhow::Result<()> {
    let pool = clinic::in_memory().await;
    let (sender, inbox) = mpsc::channel(4);
    let actor = Actor {
        conn: pool.acquire().await?,
        inbox,
    };
    let task = tokio::spawn(actor.run());
    let (reply, answer) = oneshot::channel();
    sender
        .send(Command::Add("Edith".into(), reply))
        .await
        .ok()
        .context("the actor is gone")?;
    assert_eq!(answer.await??, 4);
    let (reply, answer) = oneshot::channel();
    sender
        .send(Command::Count(reply))
        .await
        .ok()
        .context("the actor is gone")?;
    assert_eq!(answer.await??, 4);
    drop(sender);
    task.await?;
    assert_eq!(clinic::patients(&pool).await, 4);
    Ok(())
}

#[tokio::test]
async fn handles_through_channels_and_maps() -> sqlx::Result<()> {
    let pool = clinic::open(3).await;
    let (sender, mut receiver) = mpsc::unbounded_channel::<PoolConnection<Sqlite>>();
    sender.send(pool.acquire().await?).unwrap();
    let mut conn = receiver.recv().await.unwrap();
    conn.execute("SELECT 1").await?;

    let mut open: HashMap<u32, Transaction<'static, Sqlite>> = HashMap::new();
    open.insert(7, pool.begin().await?);
    if let Some(tx) = open.get_mut(&7) {
        sqlx::query("DELETE FROM exam").execute(&mut **tx).await?;
    }
    for (_, tx) in open.drain() {
        tx.rollback().await?;
    }

    let shared = Arc::new(tokio::sync::Mutex::new(conn));
    let mut guard = shared.lock().await;
    let exams: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM exam")
        .fetch_one(&mut **guard)
        .await?;
    assert_eq!(exams, 3);
    Ok(())
}

#[tokio::test]
async fn several_at_once() -> sqlx::Result<()> {
    let pool = clinic::open(3).await;
    let (patients, exams) = tokio::try_join!(
        sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM patient").fetch_one(&pool),
        async {
            let mut conn = pool.acquire().await?;
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM exam")
                .fetch_one(&mut *conn)
                .await
        },
    )?;
    assert_eq!((patients, exams), (3, 3));

    let sums = future::join_all((0..5).map(|n| {
        let pool = &pool;
        async move {
            sqlx::query_scalar::<_, i64>("SELECT ? * 2")
                .bind(n)
                .fetch_one(pool)
                .await
        }
    }))
    .await;
    let sum: i64 = sums.into_iter().sum::<sqlx::Result<i64>>()?;
    assert_eq!(sum, 20);

    let first = tokio::select! {
        biased;
        row = pool.fetch_one("SELECT 1") => row.is_ok(),
        () = future::pending() => false,
    };
    assert!(first);

    let slow = tokio::time::timeout(Duration::from_millis(20), async {
        let _tx = pool.begin().await?;
        future::pending::<sqlx::Result<()>>().await
    })
    .await;
    assert!(slow.is_err());
    assert_eq!(clinic::patients(&pool).await, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_are_aborted() {
    let pool = clinic::in_memory().await;
    let (started, begun) = oneshot::channel();
    let task = tokio::spawn({
        let pool = pool.clone();
        async move {
            let mut tx = pool.begin().await.unwrap();
            tx.execute("DELETE FROM exam").await.unwrap();
            tx.execute("DELETE FROM patient").await.unwrap();
            started.send(()).unwrap();
            future::pending::<()>().await;
        }
    });
    begun.await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(clinic::patients(&pool).await, 3);
}

#[tokio::test]
async fn panics_undo() {
    let pool = clinic::in_memory().await;
    let task = tokio::spawn({
        let pool = pool.clone();
        async move {
            let mut tx = pool.begin().await.unwrap();
            tx.execute("DELETE FROM exam").await.unwrap();
            panic!("on purpose");
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    let exams = pool.fetch_all("SELECT * FROM exam").await.unwrap();
    assert_eq!(exams.len(), 3);
}

async fn boxed_error(pool: &SqlitePool) -> Result<(), Box<dyn StdError + Send + Sync>> {
    pool.execute("SELECT * FROM nowhere").await?;
    Ok(())
}

async fn with_context(pool: &SqlitePool) -> anyhow::Result<i64> {
    sqlx::query_scalar("SELECT age FROM patient WHERE id = ?")
        .bind(99)
        .fetch_one(pool)
        .await
        .context("no age")
}

#[derive(Debug, thiserror::Error)]
enum AppError {
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    #[error("cannot migrate")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

async fn app(pool: &SqlitePool) -> Result<(), AppError> {
    let mut tx = pool.begin().await?;
    sqlx::migrate!("./corpus/migrations").run(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

#[tokio::test]
async fn errors_on_their_way_up() {
    let pool = clinic::in_memory().await;
    let error = boxed_error(&pool).await.unwrap_err();
    assert!(error.downcast_ref::<sqlx::Error>().is_some());
    let error = with_context(&pool).await.unwrap_err();
    assert!(matches!(
        error.downcast_ref::<sqlx::Error>(),
        Some(sqlx::Error::RowNotFound)
    ));
    // The table exists already.
    assert!(matches!(app(&pool).await, Err(AppError::Migrate(_))));
    pool.close().await;
    assert!(matches!(
        app(&pool).await,
        Err(AppError::Sqlx(sqlx::Error::PoolClosed))
    ));
}

async fn find<'a>(pool: &SqlitePool, name: Cow<'a, str>) -> sqlx::Result<Option<Cow<'a, str>>> {
    let found: Option<String> = sqlx::query_scalar("SELECT name FROM patient WHERE name = ?")
        .bind(&*name)
        .fetch_optional(pool)
        .await?;
    Ok(found.map(|_| name))
}

#[tokio::test]
async fn borrowed_arguments() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    assert_eq!(find(&pool, "Ada".into()).await?.as_deref(), Some("Ada"));
    assert_eq!(find(&pool, String::from("Bob").into()).await?, None);
    Ok(())
}

/// A recursive async function needs a box.
fn descend(pool: &SqlitePool, depth: u32) -> future::BoxFuture<'_, sqlx::Result<u32>> {
    async move {
        if depth == 0 {
            return Ok(0);
        }
        pool.execute("SELECT 1").await?;
        Ok(descend(pool, depth - 1).await? + 1)
    }
    .boxed()
}

#[tokio::test]
async fn recursion() -> sqlx::Result<()> {
    assert_eq!(descend(&clinic::in_memory().await, 5).await?, 5);
    Ok(())
}

#[test]
fn runtimes_of_ones_own() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pool = runtime.block_on(clinic::in_memory());
    assert_eq!(runtime.block_on(clinic::patients(&pool)), 3);
    let _inside = runtime.enter();
    drop(pool);
}

#[tokio::test]
async fn one_pool_for_each_tenant() -> sqlx::Result<()> {
    let mut tenants: HashMap<&str, SqlitePool> = HashMap::new();
    for name in ["north", "south"] {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect("sqlite::memory:")
            .await?;
        pool.execute(clinic::SCHEMA).await?;
        tenants.insert(name, pool);
    }
    tenants["north"].execute("DELETE FROM exam").await?;
    let mut exams = Vec::new();
    for name in ["north", "south"] {
        exams.push(tenants[name].fetch_all("SELECT * FROM exam").await?.len());
    }
    assert_eq!(exams, [0, 3]);
    Ok(())
}
