//! The numbers in the finding: the observed tasks and permits, and the safe size.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use sqlx::leash::testing::findings;
use sqlx::leash::{Finding, Lint, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool, track};
use tokio::sync::{Barrier, Mutex, OnceCell};

use crate::common::{TestPool, bare_pool_of, connect, marked, only_of, options, said};

use super::{Result, found};

#[track]
async fn takes_three(pool: &SqlitePool, meet: &Barrier) -> Result {
    let first = pool.acquire().await?;
    meet.wait().await;
    let second = pool.acquire().await?;
    meet.wait().await;
    let third = pool.acquire().await?; // @third
    drop(third);
    drop(second);
    drop(first);
    Ok(())
}

/// The finding about the third permit with the largest numbers.
fn of_third(pool: &TestPool) -> Finding {
    let mut found = pool.received_of(Lint::NestedAcquire);
    found.retain(|finding| finding.primary.line == marked("third", "acquire").line);
    found.pop().expect("the third permit is reported")
}

#[tokio::test]
async fn the_numbers_are_those_that_were_observed() {
    let pool = bare_pool_of(20).await;
    let meet = Arc::new(Barrier::new(3));
    let tasks = (0..3).map(|_| {
        let (pool, meet) = (SqlitePool::clone(&pool), Arc::clone(&meet));
        tokio::spawn(async move { takes_three(&pool, &meet).await })
    });
    for ended in join_all(tasks.collect::<Vec<_>>()).await {
        ended.unwrap().unwrap();
    }
    let finding = of_third(&pool);
    assert_eq!(said(&finding, "tasks at once (Tn)"), "3");
    assert_eq!(said(&finding, "connections per task (Cm)"), "3");
    assert_eq!(said(&finding, "minimum safe size Tn × (Cm − 1) + 1 ="), "7");
    assert_eq!(said(&finding, "pool size"), "20");
    let most: u64 = said(&finding, "most held at once").parse().unwrap();
    assert!(
        (7..=9).contains(&most),
        "one has three, the others two or three"
    );
    assert_eq!(said(&finding, "time held"), "0 % busy, 100 % idle in hand");
    let needed: f64 = said(&finding, "needed on average").parse().unwrap();
    assert!((0.0..=9.0).contains(&needed), "{needed}");
    assert!(said(&finding, "waits").starts_with("p50 "));
    assert!(
        finding.notes[0].ends_with("7 permits are enough, and this pool has 20"),
        "{}",
        finding.notes[0]
    );
}

#[tokio::test]
async fn a_pool_below_the_safe_size_is_reported() {
    let pool = bare_pool_of(6).await;
    let meet = Arc::new(Barrier::new(3));
    // A pool of six grants two permits to each of three tasks; the third permits would be the seventh to the ninth.
    let tasks = (0..3).map(|_| {
        let (pool, meet) = (SqlitePool::clone(&pool), Arc::clone(&meet));
        let task = async move {
            let took = takes_two_and_meets(&pool, &meet).await;
            took.unwrap();
        };
        tokio::spawn(task)
    });
    join_all(tasks.collect::<Vec<_>>()).await;
    let found = pool.received_of(Lint::NestedAcquire);
    let last = found.last().unwrap();
    assert_eq!(said(last, "minimum safe size Tn × (Cm − 1) + 1 ="), "4");

    let pool = bare_pool_of(3).await;
    let one = takes_two_and_meets(&pool, &meet);
    let others = [
        holds_one(&pool, &meet).boxed(),
        holds_one(&pool, &meet).boxed(),
    ];
    // Three tasks with two permits each need four, and the pool has three. In this run only one task takes two.
    let (one, others) = tokio::join!(one, join_all(others));
    one.unwrap();
    for other in others {
        other.unwrap();
    }
}

#[track]
async fn takes_two_and_meets(pool: &SqlitePool, meet: &Barrier) -> Result {
    let first = pool.acquire().await?;
    meet.wait().await;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[track]
async fn holds_one(pool: &SqlitePool, meet: &Barrier) -> Result {
    let first = pool.acquire().await?;
    drop(first);
    meet.wait().await;
    Ok(())
}

#[track]
async fn carries(pool: &SqlitePool) -> Result {
    let meet = Arc::new(Barrier::new(2));
    let tasks = (0..2).map(|_| {
        let (pool, meet) = (pool.clone(), Arc::clone(&meet));
        tokio::spawn(async move { takes_three(&pool, &meet).await }.in_current_scope())
    });
    for ended in join_all(tasks.collect::<Vec<_>>()).await {
        ended.unwrap()?;
    }
    Ok(())
}

#[tokio::test]
async fn carried_tasks_count_as_tasks() {
    let pool = bare_pool_of(20).await;
    found(carries(&pool)).await;
    assert_eq!(said(&of_third(&pool), "tasks at once (Tn)"), "2");
}

/// Four tasks hold all four permits, and one of them waits for a fifth, which all four need.
struct Jobs {
    pool: TestPool,
    shared: OnceCell<Mutex<PoolConnection<Sqlite>>>,
}

#[track]
impl Jobs {
    async fn journal(&self) -> sqlx::Result<&Mutex<PoolConnection<Sqlite>>> {
        let connects = || async { Ok(Mutex::new(self.pool.acquire().await?)) };
        self.shared.get_or_try_init(connects).await
    }

    #[track(allow(outlived_scope, reason = "the shared connection stays"))]
    async fn run(&self, all_hold: &Barrier) -> Result {
        let tx = self.pool.begin().await?;
        all_hold.wait().await;
        let journal = self.journal().await?;
        let mut journal = journal.lock().await;
        sqlx::query("SELECT 1").execute(&mut **journal).await?;
        drop(journal);
        tx.commit().await
    }
}

#[tokio::test]
async fn after_a_timeout_no_size_is_called_enough() {
    let pool = connect(options(4).acquire_timeout(Duration::from_secs(1))).await;
    let jobs = Jobs {
        pool,
        shared: OnceCell::new(),
    };
    let all_hold = Barrier::new(4);
    let (ended, found) = findings(join_all((0..4).map(|_| jobs.run(&all_hold)))).await;
    assert_eq!(
        ended.iter().filter(|it| it.is_err()).count(),
        1,
        "{ended:?}"
    );
    let _timeout = only_of(Lint::PoolTimeout, &found);
    let nested = only_of(Lint::NestedAcquire, &found);
    assert_eq!(said(nested, "tasks at once (Tn)"), "4");
    assert_eq!(said(nested, "minimum safe size Tn × (Cm − 1) + 1 ="), "5");
    assert!(
        nested.notes[0].ends_with("a pool of fewer than 5 can deadlock; this one has 4"),
        "{}",
        nested.notes[0]
    );
}

/// A test's pool is small, and one task at a time uses it: its numbers are not those of the program.
#[sqlx::test(migrations = false)]
async fn the_pool_of_a_test_has_no_size(pool: SqlitePool) {
    let found = found(takes_two_and_meets(&pool, &Barrier::new(1))).await;
    let finding = only_of(Lint::NestedAcquire, &found);
    assert!(
        finding.facts.iter().all(|fact| fact.name != "pool size"),
        "{}",
        finding.render()
    );
    assert!(
        !finding.notes[0].contains("permits"),
        "{}",
        finding.notes[0]
    );
}
