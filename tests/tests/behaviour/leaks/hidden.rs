//! A returned value of a type of the user's own may hide a handle; and a `&mut` argument may be meant to keep one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, track};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use leash_tests::listen;

use crate::common::{TestPool, Tx, pool, until};

struct Shelf {
    kept: Mutex<Option<Tx>>,
}

/// The handle of an actor whose task owns the connection.
#[derive(Clone)]
struct Actor {
    jobs: mpsc::Sender<u64>,
}

struct Worker {
    jobs: mpsc::Sender<u64>,
    task: JoinHandle<()>,
}

async fn serve(mut conn: PoolConnection<Sqlite>, mut jobs: mpsc::Receiver<u64>) {
    while jobs.recv().await.is_some() {
        sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
    }
}

#[track]
async fn shelf(pool: &SqlitePool) -> sqlx::Result<Shelf> {
    let tx = pool.begin().await?;
    Ok(Shelf {
        kept: Mutex::new(Some(tx)),
    })
}

#[track]
async fn shelves(pool: &SqlitePool) -> Option<Vec<Box<Shelf>>> {
    let tx = pool.begin().await.ok()?;
    let kept = Mutex::new(Some(tx));
    Some(vec![Box::new(Shelf { kept })])
}

#[track]
async fn actor(pool: &SqlitePool) -> sqlx::Result<(Actor, u8)> {
    let conn = pool.acquire().await?;
    let (jobs, queued) = mpsc::channel(1);
    tokio::spawn(serve(conn, queued));
    Ok((Actor { jobs }, 3))
}

#[track]
async fn worker(pool: &SqlitePool) -> Worker {
    let conn = pool.acquire().await.unwrap();
    let (jobs, queued) = mpsc::channel(1);
    let task = tokio::spawn(serve(conn, queued));
    Worker { jobs, task }
}

#[derive(Debug, thiserror::Error)]
#[error("not committed")]
struct Uncommitted {
    tx: Mutex<Option<Tx>>,
}

#[track]
async fn refused(pool: &SqlitePool) -> Result<(), Uncommitted> {
    let tx = pool.begin().await.unwrap();
    Err(Uncommitted {
        tx: Mutex::new(Some(tx)),
    })
}

#[track]
async fn outer(pool: &SqlitePool) -> sqlx::Result<Shelf> {
    shelf(pool).await
}

/// The findings of `future`, whose value is dropped afterwards.
async fn found_of<T>(future: impl Future<Output = T>) -> Vec<Finding> {
    let (_value, mut found) = findings(Box::pin(future)).await;
    found.retain(|finding| finding.lint == Lint::OutlivedScope);
    found
}

#[tokio::test]
async fn in_a_type_of_the_users_own_it_is_likely() {
    let pool = pool().await;
    let found = [
        found_of(shelf(&pool)).await,
        found_of(shelves(&pool)).await,
        found_of(actor(&pool)).await,
        found_of(worker(&pool)).await,
        found_of(refused(&pool)).await,
        // Reported once, not again by each caller.
        found_of(outer(&pool)).await,
    ];
    for found in found {
        let [finding] = &found[..] else {
            panic!("one finding: {found:#?}");
        };
        let all = finding.render();
        assert_eq!(finding.certainty, Certainty::Likely, "{all}");
        assert!(
            finding.help[0].contains("#[track(returns_handle)]"),
            "{all}"
        );
    }
}

/// What is only likely never panics.
#[tokio::test]
async fn in_a_type_of_the_users_own_it_does_not_panic() {
    let pool = pool().await;
    let shelf = shelf(&pool).await.unwrap();
    let tx = shelf.kept.lock().unwrap().take().unwrap();
    tx.commit().await.unwrap();
    let (actor, _) = actor(&pool).await.unwrap();
    actor.clone().jobs.send(1).await.unwrap();
    let worker = worker(&pool).await;
    worker.jobs.send(2).await.unwrap();
    drop(worker.jobs);
    worker.task.await.unwrap();
    let error = refused(&pool).await.unwrap_err();
    drop(error.tx.lock().unwrap().take());
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
}

#[derive(PartialEq)]
struct Named {
    name: String,
}

#[derive(Clone, Copy)]
struct Number {
    number: u8,
}

static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());

async fn keep(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

#[track]
async fn row(pool: &SqlitePool) -> sqlx::Result<Row> {
    keep(pool).await;
    sqlx::query_as("SELECT 1 AS id").fetch_one(pool).await
}

#[track]
async fn rows(pool: &SqlitePool) -> sqlx::Result<Vec<Row>> {
    keep(pool).await;
    sqlx::query_as("SELECT 1 AS id").fetch_all(pool).await
}

#[track]
async fn row_or_none(pool: &SqlitePool) -> sqlx::Result<Option<Row>> {
    keep(pool).await;
    sqlx::query_as("SELECT 1 AS id").fetch_optional(pool).await
}

#[track]
async fn named(pool: &SqlitePool) -> anyhow::Result<(Named, Option<Box<Named>>)> {
    keep(pool).await;
    let name = String::from("a");
    Ok((Named { name }, None))
}

#[track]
async fn number(pool: &SqlitePool) -> Number {
    keep(pool).await;
    Number { number: 1 }
}

#[track]
async fn plain_row(pool: &SqlitePool) -> sqlx::Result<sqlx::sqlite::SqliteRow> {
    keep(pool).await;
    sqlx::query("SELECT 1").fetch_one(pool).await
}

#[tokio::test]
async fn beside_data_it_is_certain() {
    let pool = pool().await;
    let data: Vec<(&str, Pin<Box<dyn Future<Output = i64> + '_>>)> = vec![
        ("row", Box::pin(async { row(&pool).await.unwrap().id })),
        ("rows", Box::pin(async { rows(&pool).await.unwrap()[0].id })),
        (
            "row or none",
            Box::pin(async { row_or_none(&pool).await.unwrap().unwrap().id }),
        ),
        (
            "named",
            Box::pin(async { i64::from(named(&pool).await.unwrap().0.name == "a") }),
        ),
        (
            "number",
            Box::pin(async { number(&pool).await.number.into() }),
        ),
        (
            "plain row",
            Box::pin(async { plain_row(&pool).await.map_or(0, |_| 1) }),
        ),
    ];
    for (which, future) in data {
        let found = found_of(future).await;
        KEPT.lock().unwrap().clear();
        let [finding] = &found[..] else {
            panic!("{which}: one finding: {found:#?}");
        };
        assert_eq!(
            finding.certainty,
            Certainty::Certain,
            "{}",
            finding.render()
        );
    }
}

struct Lazy {
    pool: TestPool,
    tx: Option<Tx>,
}

#[track]
impl Lazy {
    async fn begin(&mut self) -> sqlx::Result<()> {
        self.tx = Some(self.pool.begin().await?);
        Ok(())
    }

    #[track(returns_handle, held_idle = "100ms")]
    async fn begin_as_declared(&mut self) -> sqlx::Result<()> {
        self.tx = Some(self.pool.begin().await?);
        Ok(())
    }
}

#[track]
async fn fill(pool: &SqlitePool, bytes: &mut Vec<u8>, slot: &mut Option<Tx>) {
    bytes.push(1);
    *slot = Some(pool.begin().await.unwrap());
}

/// Apart from [`KEPT`], because tests run at once.
static OTHERS: Mutex<Vec<Tx>> = Mutex::new(Vec::new());

#[track]
async fn with_other_arguments(
    pool: &SqlitePool,
    conn: &mut SqliteConnection,
    tx: &mut Tx,
    bytes: &mut Vec<u8>,
) {
    let kept = pool.begin().await.unwrap();
    OTHERS.lock().unwrap().push(kept);
    bytes.push(1);
    sqlx::query("SELECT 1").execute(conn).await.unwrap();
    sqlx::query("SELECT 1").execute(&mut **tx).await.unwrap();
}

#[track]
fn boxed<'a>(
    pool: &'a SqlitePool,
    slot: &'a mut Option<Tx>,
) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        *slot = Some(pool.begin().await.unwrap());
    })
}

#[track_caller]
fn assert_first_help(found: &[Finding], argument: &str, function: &str) {
    let [finding] = found else {
        panic!("one finding: {found:#?}");
    };
    let all = finding.render();
    assert_eq!(finding.certainty, Certainty::Certain, "{all}");
    let help = format!(
        "if it is meant to live on in `{argument}`, write `#[track(returns_handle)]` on \
         behaviour::leaks::hidden::{function}: it then belongs to the caller, and `held_idle` watches whoever keeps it"
    );
    assert_eq!(finding.help[0], help, "{all}");
}

#[tokio::test]
async fn an_argument_that_may_keep_it_comes_first_in_the_help() {
    let pool = pool().await;
    let (mut bytes, mut slot) = (Vec::new(), None);
    let found = found_of(fill(&pool, &mut bytes, &mut slot)).await;
    assert_first_help(&found, "slot", "fill");
    let found = found_of(boxed(&pool, &mut slot)).await;
    assert_first_help(&found, "slot", "boxed");
    slot = None;

    let mut conn = pool.acquire().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let found = found_of(with_other_arguments(&pool, &mut conn, &mut tx, &mut bytes)).await;
    assert!(!found[0].help[0].contains("meant to live on"), "{found:#?}");
    OTHERS.lock().unwrap().clear();
    drop((conn, tx, slot));

    let mut lazy = Lazy { pool, tx: None };
    let found = found_of(lazy.begin()).await;
    assert_first_help(&found, "self", "Lazy::begin");
}

#[tokio::test]
async fn once_declared_it_is_watched_where_it_is_kept() {
    listen();
    let mut lazy = Lazy {
        pool: pool().await,
        tx: None,
    };
    lazy.begin_as_declared().await.unwrap();
    until("held_idle reports its owner", || {
        let found = lazy.pool.received();
        found.iter().any(|finding| finding.lint == Lint::HeldIdle)
    })
    .await;
    assert!(lazy.pool.received_of(Lint::OutlivedScope).is_empty());
    lazy.tx.take().unwrap().commit().await.unwrap();
}
