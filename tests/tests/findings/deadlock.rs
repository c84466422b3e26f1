//! `pool_deadlock`: every permit is held by a scope that waits for one. Reported soon, certain only by evidence, and
//! never about a pool that will drain.

mod certain;
mod levels;
mod likely;
mod many;
mod pools;
mod servers;
mod silent;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use sqlx::leash::testing::findings;
use sqlx::leash::{Backend, Certainty, Finding, Level, Lint};
use sqlx::{Pool, SqlitePool, track};
use tokio::sync::Barrier;
use tokio::time::timeout;

use crate::common::{
    PATIENCE, Place, TestPool, assert_certainty, assert_helps, assert_primary, marked, only_of,
    related, said,
};

/// A deadlock is reported within this time of forming. The promise is 250 ms; a machine that runs tests may be busy.
const SOON: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 500 });

/// The time for which the watchdog observes a situation that is no deadlock.
const A_WHILE: Duration = Duration::from_millis(400);

type Result = sqlx::Result<()>;

/// A place in one of the functions here.
fn place_of(marker: &str, word: &str) -> Place {
    marked(marker, word)
}

/// A meeting point of tasks that hold their first handle. Records when the last of them arrived.
struct Meeting {
    barrier: Barrier,
    formed: Mutex<Option<Instant>>,
}

impl Meeting {
    fn of(tasks: usize) -> Arc<Self> {
        Arc::new(Self {
            barrier: Barrier::new(tasks),
            formed: Mutex::default(),
        })
    }

    async fn all_here(&self) {
        self.barrier.wait().await;
        *self.formed.lock().unwrap() = Some(Instant::now());
    }

    fn formed(&self) -> Instant {
        self.formed.lock().unwrap().expect("all tasks have met")
    }
}

/// Runs the tasks concurrently until the deadlock of the pool is reported, then drops them. Returns the finding, and
/// the time between the forming of the deadlock and the report.
async fn found_among<DB: Backend>(
    pool: &TestPool<DB>,
    meeting: &Meeting,
    tasks: Vec<BoxFuture<'_, Result>>,
) -> (Finding, Duration) {
    let run = async {
        tokio::select! {
            biased;
            received = pool.first_of(Lint::PoolDeadlock) => received,
            ended = join_all(tasks) => panic!("the tasks ended: {ended:?}"),
        }
    };
    // Within `findings`, a deny does not panic.
    let ((when, finding), found) = findings(Box::pin(run)).await;
    assert_eq!(
        only_of(Lint::PoolDeadlock, &found).to_string(),
        finding.to_string(),
        "the callback and the collector receive the same"
    );
    let level = if cfg!(debug_assertions) {
        Level::Deny
    } else {
        Level::Warn
    };
    assert_eq!(finding.level, level);
    let soon = when.saturating_duration_since(meeting.formed());
    println!("reported {soon:?} after it formed: {finding}");
    assert!(soon < SOON, "reported only {soon:?} after it formed");
    (finding, soon)
}

#[track]
async fn takes_two<DB: Backend>(pool: &Pool<DB>, meeting: &Meeting) -> Result {
    let first = pool.acquire().await?; // @two first
    meeting.all_here().await;
    let second = pool.acquire().await?; // @two second
    drop(second);
    drop(first);
    Ok(())
}

async fn of_size<DB: Backend>(pool: &TestPool<DB>, size: usize) -> Finding {
    let meeting = Meeting::of(size);
    let tasks = (0..size).map(|_| takes_one_by_one(pool, &meeting).boxed());
    found_among(pool, &meeting, tasks.collect()).await.0
}

#[track]
async fn takes_one_by_one<DB: Backend>(pool: &Pool<DB>, meeting: &Meeting) -> Result {
    let first = pool.acquire().await?; // @one first
    meeting.all_here().await;
    let second = pool.acquire().await?; // @one second
    drop(second);
    drop(first);
    Ok(())
}

fn check_of_size(finding: &Finding, size: usize) {
    let function = "deadlock::takes_one_by_one";
    assert_primary(finding, &marked("one second", "acquire"), function);
    assert_certainty(finding, Certainty::Certain);
    let holders = related(finding, &marked("one first", "acquire"));
    let permits = if size == 1 {
        "findings::deadlock::takes_one_by_one has held 1 permit for".to_owned()
    } else {
        format!("findings::deadlock::takes_one_by_one has held {size} permits, the oldest for")
    };
    assert!(holders.label.starts_with(&permits), "{}", holders.label);
    assert_eq!(finding.related.len(), 1, "{}", finding.render());
    assert_eq!(said(finding, "permits"), size.to_string());
    assert_eq!(said(finding, "waiters"), size.to_string());
    assert_eq!(said(finding, "acquire_timeout"), "30.0 s");
    let many = format!("and all {size} permits are held by scopes that wait for one");
    let title = if size == 1 {
        "and the only permit is held by a scope that waits for one"
    } else {
        &many
    };
    assert!(finding.title.ends_with(title), "{}", finding.title);
    assert_helps(finding, "drop(conn)");
}

#[track]
async fn holds_for_callee(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let tx = pool.begin().await?; // @callee first
    meeting.all_here().await;
    takes(pool).await?;
    tx.commit().await
}

#[track]
async fn takes(pool: &SqlitePool) -> Result {
    sqlx::query("SELECT 1").execute(pool).await?; // @takes
    Ok(())
}

/// Runs a program that must end by itself, and returns its output and findings.
async fn ends<T>(future: impl Future<Output = T>) -> (T, Vec<Finding>) {
    let (output, found) = findings(timeout(PATIENCE, Box::pin(future))).await;
    (output.expect("it ends by itself"), found)
}
