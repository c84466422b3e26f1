//! What an observer is told, on SQLite: by whom, of what, and what becomes of an observer that fails. What the databases have
//! in common is in `backends/observed.rs`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::join_all;
use leash_tests::{TestPool, assert_told_of, in_child, observe, told_findings, until};
use sqlx::leash::observed::{Closed, Opened, Statement, Wait};
use sqlx::leash::{self, HandleExt, Lint, Observer, PoolExt};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqlitePool, track};

use crate::common::{HUNDRED, connect, marked};

/// A pool of one permit for which no acquire waits long, and whose connection stays.
fn narrow() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(50))
        .idle_timeout(None)
        .max_lifetime(None)
}

#[tokio::test]
async fn waits_that_end_without_a_permit() {
    observe();
    let pool = connect(narrow(), "sqlite::memory:").await;
    let held = pool.acquire().await.unwrap();
    for outcome in join_all((0..3).map(|_| pool.acquire())).await {
        assert!(matches!(outcome, Err(sqlx::Error::PoolTimedOut)));
    }
    drop(held);
    pool.close().await;
    assert!(matches!(pool.acquire().await, Err(sqlx::Error::PoolClosed)));
    pool.assert_told();
    let told = pool.told();
    assert_eq!((told.waits["timeout"], told.waits["error"]), (3, 1));
    assert_eq!(told.closed["program"], told.opened);
}

#[tokio::test]
async fn findings_as_callbacks_get_them() {
    observe();
    let pool = connect(narrow(), "sqlite::memory:").await;
    leash_tests::listen();
    let _held = pool.acquire().await.unwrap();
    assert!(pool.acquire().await.is_err());
    let (told, received) = (told_findings(pool.name()), pool.received());
    assert!(
        told.iter().any(|it| it.lint == Lint::PoolTimeout),
        "{told:#?}"
    );
    assert_eq!(format!("{told:?}"), format!("{received:?}"));
}

#[tokio::test]
async fn handles_that_are_meant_to_live_long() {
    observe();
    let pool = connect(SqlitePoolOptions::new(), "sqlite::memory:").await;
    let handle = pool.acquire().await.unwrap().long_lived("a listener");
    tokio::time::sleep(Duration::from_millis(2)).await;
    drop(handle);
    drop(pool.acquire().await.unwrap().detach());
    pool.assert_told();
    let told = pool.told();
    assert_eq!(told.holds, 1);
    assert!(told.reserved >= Duration::from_millis(2));
    assert_eq!(told.closed["program"], 1, "the detached one");
}

/// The watchdog sleeps while nothing is in use. An observer keeps it up, because the pool closes connections by itself.
#[tokio::test]
async fn what_the_pool_closes_while_nobody_uses_it() {
    observe();
    let options = SqlitePoolOptions::new()
        .max_connections(3)
        .idle_timeout(Duration::from_millis(200));
    let url = "sqlite:file:closes_while_nobody_uses_it?mode=memory&cache=shared";
    let pool = TestPool::new(options.connect(url).await.unwrap(), ());
    drop(join_all((0..3).map(|_| pool.acquire())).await);
    until("all are told", || {
        // Not by a snapshot, which tells at once.
        let told = pool.told_by_name();
        told.opened > 0 && told.closed.values().sum::<u64>() == told.opened
    })
    .await;
    pool.assert_told();
}

/// Keeps what the last statement and wait looked like.
#[derive(Default)]
struct Seen {
    statements: Mutex<Vec<String>>,
    waits: Mutex<Vec<String>>,
}

impl Observer for Seen {
    fn statement(&self, it: &Statement<'_>) {
        let site = it.site.expect("it has a call site");
        let seen = format!(
            "{} {} {:?} {} {}:{}:{} in {} on {} of {} {:?}: {} {:?} {} {}",
            it.operation,
            it.summary,
            it.text,
            site.function.unwrap(),
            site.file,
            site.line,
            site.column,
            it.system,
            it.pool.unwrap().label,
            it.pool.unwrap().system,
            it.pool.unwrap().namespace,
            it.outcome.name(),
            it.error_type(),
            it.rows_returned,
            it.rows_affected,
        );
        self.statements.lock().unwrap().push(seen);
    }

    fn wait(&self, it: &Wait<'_>) {
        let seen = format!(
            "{} {} {}",
            it.site.line,
            it.outcome.name(),
            it.has_connected
        );
        self.waits.lock().unwrap().push(seen);
    }
}

#[test]
fn what_a_statement_looks_like() {
    #[track]
    async fn sends(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query(HUNDRED).fetch_all(pool).await?; // @looks
        let _ = sqlx::query("INSERT INTO none VALUES (?)")
            .bind("secret")
            .execute(pool)
            .await;
        Ok(())
    }
    in_child("observed::what_a_statement_looks_like", &[], |runtime| {
        let seen = Arc::new(Seen::default());
        leash::observe(Arc::clone(&seen));
        runtime.block_on(async {
            let options = SqlitePoolOptions::new();
            let pool = options
                .connect("sqlite::memory:")
                .await
                .unwrap()
                .named("exams");
            sends(&pool).await.unwrap();
        });
        let place = marked("looks", "fetch_all");
        let statements = seen.statements.lock().unwrap();
        let first = format!(
            "WITH WITH n SELECT n {HUNDRED:?} behaviour::observed::what_a_statement_looks_like::sends {}:{}:{} \
             in sqlite on exams of sqlite ",
            place.file, place.line, place.column
        );
        assert!(
            statements[0].contains(&first[first.find(" behaviour").unwrap()..]),
            "{statements:#?}"
        );
        assert!(
            statements[0].ends_with(": ok None 100 0"),
            "{statements:#?}"
        );
        assert!(
            statements[1].contains("INSERT INSERT none"),
            "{statements:#?}"
        );
        assert!(
            statements[1].contains(": error Some(\"1\") 0 0"),
            "{statements:#?}"
        );
        assert!(!statements.concat().contains("secret"));
        let waits = seen.waits.lock().unwrap();
        assert_eq!(waits[0], format!("{} granted false", place.line));
    });
}

/// Panics at each call, and counts these.
struct Panics(Arc<AtomicU64>);

impl Observer for Panics {
    fn statement(&self, _: &Statement<'_>) {
        self.0.fetch_add(1, Relaxed);
        panic!("the statement");
    }

    fn wait(&self, _: &Wait<'_>) {
        panic!("the wait");
    }
}

#[test]
fn a_panic_of_one_reaches_neither_the_program_nor_the_others() {
    const STATEMENTS: u64 = 20;

    #[track]
    async fn goes_on(pool: &SqlitePool) -> sqlx::Result<()> {
        for _ in 0..STATEMENTS {
            sqlx::query("SELECT 1").execute(pool).await?;
        }
        Ok(())
    }
    let test = "observed::a_panic_of_one_reaches_neither_the_program_nor_the_others";
    in_child(test, &[], |runtime| {
        let panics = Arc::new(AtomicU64::new(0));
        leash::observe(Panics(Arc::clone(&panics)));
        observe();
        runtime.block_on(async {
            let pool = connect(SqlitePoolOptions::new(), "sqlite::memory:").await;
            goes_on(&pool).await.unwrap();
            pool.assert_told();
            // Also where its end is a drop while the thread unwinds.
            let pool = (*pool).clone();
            let unwinds = tokio::spawn(async move {
                let _held = pool.acquire().await.unwrap();
                panic!("the task");
            });
            assert!(unwinds.await.unwrap_err().is_panic());
        });
        let of_texts = assert_told_of("goes_on");
        assert_eq!(of_texts["SELECT 1"].ok, STATEMENTS);
        assert_eq!(panics.load(Relaxed), STATEMENTS);
    });
}

/// Uses the pool from within, and counts its calls.
#[derive(Default)]
struct Uses {
    pool: OnceLock<SqlitePool>,
    calls: AtomicU64,
}

impl Observer for Uses {
    fn statement(&self, _: &Statement<'_>) {
        self.calls.fetch_add(1, Relaxed);
        if let Some(pool) = self.pool.get() {
            let text = "SELECT 2 /* of the observer */";
            block_on(sqlx::query(text).execute(pool)).unwrap();
            leash::snapshot();
        }
    }
}

#[test]
fn one_that_uses_the_pool_is_not_told_of_that() {
    #[track]
    async fn sends(pool: &SqlitePool) -> sqlx::Result<()> {
        for _ in 0..10 {
            sqlx::query("SELECT 1").execute(pool).await?;
        }
        Ok(())
    }
    let test = "observed::one_that_uses_the_pool_is_not_told_of_that";
    in_child(test, &[], |_| {
        let uses = Arc::new(Uses::default());
        leash::observe(Arc::clone(&uses));
        // The thread of another runtime serves the pool's timers while the observer blocks.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let options = SqlitePoolOptions::new().max_connections(3);
            let pool = options.connect("sqlite::memory:").await.unwrap();
            uses.pool.set(pool.clone()).unwrap();
            let in_task = tokio::spawn(async move { sends(&pool).await });
            in_task.await.unwrap().unwrap();
        });
        assert_eq!(uses.calls.load(Relaxed), 10);
        let sites = leash::snapshot().sites;
        let own = sites
            .iter()
            .find(|row| row.sql.contains("of the observer"))
            .unwrap();
        assert_eq!((own.calls, own.ok, own.function.as_deref()), (10, 10, None));
    });
}

/// Counts the connections that it was told of.
#[derive(Default)]
struct Connections {
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Observer for Connections {
    fn opened(&self, _: &Opened<'_>) {
        self.opened.fetch_add(1, Relaxed);
    }

    fn closed(&self, it: &Closed<'_>) {
        assert_eq!(it.cause.name(), "program");
        self.closed.fetch_add(1, Relaxed);
    }
}

/// One that comes late is told what happens from then on; the end of a pool ends its connections.
#[test]
fn from_its_registration_to_the_end_of_the_pool() {
    let test = "observed::from_its_registration_to_the_end_of_the_pool";
    in_child(test, &[], |runtime| {
        let (early, late) = (
            Arc::new(Connections::default()),
            Arc::new(Connections::default()),
        );
        leash::observe(Arc::clone(&early));
        runtime.block_on(async {
            let options = SqlitePoolOptions::new().max_connections(3);
            let pool = options.connect("sqlite::memory:").await.unwrap();
            let first = pool.acquire().await.unwrap();
            leash::observe(Arc::clone(&late));
            drop(join_all((0..2).map(|_| pool.acquire())).await);
            drop(first);
            until("they are back", || pool.num_idle() == 3).await;
        });
        let counts = |it: &Connections| (it.opened.load(Relaxed), it.closed.load(Relaxed));
        assert_eq!(counts(&early), (3, 3));
        assert_eq!(counts(&late), (2, 3));
    });
}

#[test]
fn switched_off_nothing_is_told() {
    let test = "observed::switched_off_nothing_is_told";
    in_child(test, &[("SQLX_LEASH", "off")], |runtime| {
        let seen = Arc::new(Seen::default());
        leash::observe(Arc::clone(&seen));
        runtime.block_on(async {
            let pool = SqlitePoolOptions::new()
                .connect("sqlite::memory:")
                .await
                .unwrap();
            sqlx::query("SELECT 1").execute(&pool).await.unwrap();
        });
        assert!(seen.statements.lock().unwrap().is_empty());
        assert!(seen.waits.lock().unwrap().is_empty());
    });
}
