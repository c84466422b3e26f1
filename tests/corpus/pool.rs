//! Pools: constructors, options, hooks, and every method that reads a pool's state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolConnectionMetadata, PoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, Pool, Sqlite, SqliteConnection};

use super::clinic;

#[tokio::test]
async fn connect_by_url() -> sqlx::Result<()> {
    let pool = SqlitePool::connect("sqlite::memory:").await?;
    let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await?;
    assert_eq!(one, 1);
    pool.close().await;
    Ok(())
}

#[tokio::test]
async fn connect_with_options() -> Result<(), sqlx::Error> {
    let options: SqliteConnectOptions = "sqlite::memory:".parse()?;
    let pool = Pool::<Sqlite>::connect_with(options.pragma("user_version", "7")).await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&pool)
        .await?;
    assert_eq!(version, 7);
    Ok(())
}

#[tokio::test]
async fn connect_lazily() {
    let pool = SqlitePool::connect_lazy("sqlite::memory:").unwrap();
    assert_eq!(pool.size(), 0);
    pool.execute("SELECT 1").await.unwrap();
    assert_eq!(pool.size(), 1);

    let pool = Pool::<Sqlite>::connect_lazy_with(SqliteConnectOptions::new().in_memory(true));
    assert_eq!(pool.size(), 0);
    assert_eq!(pool.num_idle(), 0);

    let options = PoolOptions::<Sqlite>::new();
    let pool: Pool<Sqlite> = options.clone().connect_lazy("sqlite::memory:").unwrap();
    assert_eq!(pool.size(), 0);
    let pool: SqlitePool = options.connect_lazy_with(SqliteConnectOptions::new());
    assert_eq!(pool.size(), 0);
}

#[tokio::test]
async fn connect_to_nowhere() {
    let error = SqlitePool::connect("sqlite:/no/such/directory/clinic.db")
        .await
        .unwrap_err();
    assert!(matches!(error, sqlx::Error::Database(_)), "{error:?}");

    assert!(SqlitePool::connect_lazy("sqlite:x?mode=nonsense").is_err());
}

#[test]
fn options_keep_the_given_values() {
    let options = SqlitePoolOptions::new()
        .max_connections(7)
        .min_connections(2)
        .acquire_timeout(Duration::from_secs(3))
        .acquire_slow_threshold(Duration::from_millis(250))
        .acquire_time_level(log_level("off"))
        .acquire_slow_level(log_level("debug"))
        .max_lifetime(Duration::from_secs(60))
        .idle_timeout(None)
        .test_before_acquire(false);
    assert_eq!(options.get_max_connections(), 7);
    assert_eq!(options.get_min_connections(), 2);
    assert_eq!(options.get_acquire_timeout(), Duration::from_secs(3));
    assert_eq!(
        options.get_acquire_slow_threshold(),
        Duration::from_millis(250)
    );
    assert_eq!(options.get_max_lifetime(), Some(Duration::from_secs(60)));
    assert_eq!(options.get_idle_timeout(), None);
    assert!(!options.get_test_before_acquire());
    let copy = options.clone();
    assert_eq!(format!("{options:?}"), format!("{copy:?}"));
    assert!(
        format!("{copy:?}").starts_with("PoolOptions { max_connections: 7, min_connections: 2")
    );

    let defaults = PoolOptions::<Sqlite>::default();
    assert_eq!(defaults.get_max_connections(), 10);
    assert_eq!(defaults.get_acquire_timeout(), Duration::from_secs(30));
}

// The level is a type of the crate `log`, which this program does not depend on.
fn log_level<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> T {
    name.parse().unwrap()
}

#[tokio::test]
async fn a_pool_in_a_builder_of_its_own() {
    struct Settings {
        options: PoolOptions<Sqlite>,
        connect: <SqliteConnection as Connection>::Options,
    }

    impl Settings {
        async fn open(self) -> sqlx::Result<SqlitePool> {
            self.options.connect_with(self.connect).await
        }
    }

    let settings = Settings {
        options: PoolOptions::new().max_connections(2),
        connect: SqliteConnectOptions::new().in_memory(true),
    };
    let pool = settings.open().await.unwrap();
    assert_eq!(pool.options().get_max_connections(), 2);
}

#[tokio::test]
async fn hooks_name_the_drivers_connection() {
    let connected = Arc::new(AtomicU32::new(0));
    let acquired = Arc::new(AtomicU32::new(0));
    let released = Arc::new(AtomicU32::new(0));
    let (c, a, r) = (connected.clone(), acquired.clone(), released.clone());

    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .after_connect(move |conn, _meta| {
            let c = c.clone();
            Box::pin(async move {
                c.fetch_add(1, Ordering::SeqCst);
                conn.execute("PRAGMA foreign_keys = OFF; PRAGMA user_version = 3")
                    .await?;
                Ok(())
            })
        })
        .before_acquire(
            move |conn: &mut SqliteConnection, meta: PoolConnectionMetadata| {
                let a = a.clone();
                Box::pin(async move {
                    assert!(meta.age >= meta.idle_for);
                    a.fetch_add(1, Ordering::SeqCst);
                    conn.ping().await?;
                    Ok(true)
                })
            },
        )
        .after_release(move |conn, meta| {
            let r = r.clone();
            Box::pin(async move {
                assert_eq!(meta.idle_for, Duration::ZERO);
                r.fetch_add(1, Ordering::SeqCst);
                sqlx::query("PRAGMA optimize").execute(&mut *conn).await?;
                Ok(!conn.is_in_transaction())
            })
        })
        .connect("sqlite::memory:")
        .await
        .unwrap();

    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(version, 3);
    drop(pool.acquire().await.unwrap());
    let mut conn = pool.acquire().await.unwrap();
    conn.return_to_pool().await;
    pool.close().await;
    assert_eq!(connected.load(Ordering::SeqCst), 1);
    assert_eq!(acquired.load(Ordering::SeqCst), 3);
    assert_eq!(released.load(Ordering::SeqCst), 3);
}

async fn set_up(conn: &mut SqliteConnection, _meta: PoolConnectionMetadata) -> sqlx::Result<()> {
    sqlx::raw_sql("CREATE TABLE seen (at INTEGER); INSERT INTO seen VALUES (1)")
        .execute(conn)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_hook_that_is_a_function() {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .after_connect(|conn, meta| Box::pin(set_up(conn, meta)))
        .connect("sqlite::memory:")
        .await
        .unwrap();
    let seen: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM seen")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_hook_that_refuses() {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .after_release(|_conn, _meta| Box::pin(async { Ok(false) }))
        .connect("sqlite::memory:")
        .await
        .unwrap();
    pool.execute("CREATE TABLE gone (id INTEGER)")
        .await
        .unwrap();
    // The pool did not take the connection back, so its in-memory database is gone.
    let error = pool.execute("SELECT * FROM gone").await.unwrap_err();
    assert!(error.to_string().contains("no such table"), "{error}");

    let error = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(50))
        .after_connect(|_, _| Box::pin(async { Err(sqlx::Error::WorkerCrashed) }))
        .connect("sqlite::memory:")
        .await
        .unwrap_err();
    // sqlx retries until the timeout.
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error:?}");
}

#[tokio::test]
async fn acquire_in_all_its_ways() -> sqlx::Result<()> {
    let pool = clinic::open(2).await;

    let mut first: PoolConnection<Sqlite> = pool.acquire().await?;
    first.execute("SELECT 1").await?;
    let mut second = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&mut *second).await?;
    assert!(pool.try_acquire().is_none());
    assert!(pool.try_begin().await?.is_none());
    assert!(pool.try_begin_with("BEGIN IMMEDIATE").await?.is_none());
    assert_eq!((pool.size(), pool.num_idle()), (2, 0));

    drop(first);
    // A task returns the connection; the next acquire waits for it.
    let third = pool.acquire().await?;
    drop((second, third));

    let mut tx = pool.begin().await?;
    sqlx::query("DELETE FROM exam").execute(&mut *tx).await?;
    tx.rollback().await?;
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let exams: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM exam")
        .fetch_one(&mut *tx)
        .await?;
    assert_eq!(exams, 3);
    tx.commit().await?;
    Ok(())
}

#[tokio::test]
async fn try_finds_an_idle_connection() {
    let pool = clinic::in_memory().await;
    let conn = pool.acquire().await.unwrap();
    conn.close().await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    conn.return_to_pool().await;
    drop(conn);
    assert_eq!(pool.num_idle(), 1);
    let mut conn = pool.try_acquire().expect("one is idle");
    conn.ping().await.unwrap();
    conn.return_to_pool().await;
    let tx = pool.try_begin().await.unwrap().expect("one is idle");
    tx.commit().await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    conn.return_to_pool().await;
    let mut tx = pool
        .try_begin_with("BEGIN EXCLUSIVE")
        .await
        .unwrap()
        .expect("one is idle");
    tx.execute("CREATE TABLE t (id INTEGER)").await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn begin_with_nonsense() {
    let pool = clinic::in_memory().await;
    let error = pool.begin_with("SELECT 1").await.unwrap_err();
    assert!(matches!(error, sqlx::Error::BeginFailed), "{error:?}");
    let error = pool.begin_with("BEGIN SOON").await.unwrap_err();
    assert!(matches!(error, sqlx::Error::Database(_)), "{error:?}");
    assert_eq!(clinic::patients(&pool).await, 3);
}

#[tokio::test]
async fn a_dry_pool_times_out() {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(50))
        .connect("sqlite::memory:")
        .await
        .unwrap();
    let held = pool.acquire().await.unwrap();
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error:?}");
    let error = pool.begin().await.map(drop).unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error:?}");
    let error = pool.execute("SELECT 1").await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error:?}");
    drop(held);
    pool.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn the_future_of_acquire_owns_its_pool() {
    let acquire = {
        let pool = SqlitePool::connect_lazy("sqlite::memory:").unwrap();
        pool.acquire()
    };
    let mut conn = tokio::spawn(acquire).await.unwrap().unwrap();
    conn.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn closing() {
    let pool = clinic::open(3).await;
    let mut closed = pool.close_event();
    assert!(!pool.is_closed());
    let worked = closed.do_until(async { 7 }).await.unwrap();
    assert_eq!(worked, 7);

    let close = pool.close();
    // The pool is marked as closed by the call, before the future is awaited.
    assert!(pool.is_closed());
    close.await;
    pool.close_event().await;
    let error = closed.do_until(std::future::pending::<()>()).await;
    assert!(matches!(error, Err(sqlx::Error::PoolClosed)));
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolClosed), "{error:?}");
    assert!(pool.try_acquire().is_none());
    assert_eq!(pool.size(), 0);
    // A second close does no harm.
    pool.close().await;
}

#[tokio::test]
async fn closing_waits_for_the_connections_in_use() {
    let pool = clinic::open(2).await;
    let conn = pool.acquire().await.unwrap();
    let (closing, working) = tokio::join!(pool.close(), async {
        let mut conn = conn;
        assert!(pool.is_closed());
        sqlx::query("SELECT 1").execute(&mut *conn).await
    });
    let () = closing;
    working.unwrap();
}

#[tokio::test]
async fn options_and_connect_options_can_be_read() {
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_lazy("sqlite:file:clinic?mode=memory")
        .unwrap();
    assert_eq!(pool.options().get_max_connections(), 4);
    let options: Arc<SqliteConnectOptions> = pool.connect_options();
    let plain = SqliteConnectOptions::clone(&options);
    pool.set_connect_options(plain.in_memory(true).disable_statement_logging());
    pool.execute("SELECT 1").await.unwrap();
    assert_eq!(pool.size(), 1);
}

#[tokio::test]
async fn clones_are_one_pool() {
    let pool = clinic::in_memory().await;
    let shared = Arc::new(pool.clone());
    let other = Pool::clone(&shared);
    let held = pool.acquire().await.unwrap();
    assert!(other.try_acquire().is_none());
    assert_eq!(shared.size(), pool.size());
    drop(held);
    let debug = format!("{other:?}");
    assert!(debug.starts_with("Pool { size: 1, num_idle: "), "{debug}");
}

#[tokio::test]
async fn min_connections_are_there_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let pool = SqlitePoolOptions::new()
        .min_connections(2)
        .max_connections(3)
        .connect_with(clinic::file_options(&directory))
        .await
        .unwrap();
    assert_eq!(pool.size(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_on_few_connections() {
    let pool = clinic::open(3).await;
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut conn = pool.acquire().await?;
                let answer: i64 = sqlx::query_scalar("SELECT ? + 1")
                    .bind(number)
                    .fetch_one(&mut *conn)
                    .await?;
                Ok::<_, sqlx::Error>(answer)
            })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap().unwrap();
    }
    assert_eq!(sum, 820);
    assert!(pool.size() <= 3);
}
