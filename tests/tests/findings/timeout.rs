//! `pool_timeout`: an acquire timed out, and the reason. Each verdict rests on what a program does; sqlx's error is
//! unchanged and in time.

mod connects;
mod episodes;
mod full_server;
mod holders;
mod levels;
mod load;
mod stalls;
mod unreachable;
mod unread;
mod untracked;

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sqlx::leash::testing::findings;
use sqlx::leash::{Backend, Certainty, Finding, Level, Lint, Verdict};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Pool, track};
use tokio::sync::Notify;

use crate::common::{
    Place, TestPool, assert_certainty, assert_primary, connect, marked, only_of, options,
};

type Result = sqlx::Result<()>;

/// The `acquire_timeout` of most pools here.
const SOON: Duration = Duration::from_millis(400);

async fn pool_of(max_connections: u32) -> TestPool {
    connect(options(max_connections).acquire_timeout(SOON)).await
}

#[track]
async fn waits<DB: Backend>(pool: &Pool<DB>) -> Result {
    let conn = pool.acquire().await?; // @waits
    drop(conn);
    Ok(())
}

/// The place at which `waits` asks.
fn place_of_waits() -> Place {
    marked("waits", "acquire")
}

/// The only finding of an acquire that times out while `beside` runs.
async fn times_out<DB: Backend>(pool: &TestPool<DB>, beside: impl Future) -> Finding {
    let waiting = async {
        let ended = waits(pool).await;
        assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)), "{ended:?}");
    };
    let both = async {
        tokio::select! {
            biased;
            () = waiting => {}
            () = async { beside.await; std::future::pending().await } => {}
        }
    };
    let ((), found) = findings(Box::pin(both)).await;
    let finding = only_of(Lint::PoolTimeout, &found).clone();
    assert_eq!(finding.level, Level::Warn);
    assert_primary(&finding, &place_of_waits(), "timeout::waits");
    assert!(
        finding
            .title
            .starts_with("findings::timeout::waits waited "),
        "{}",
        finding.title
    );
    finding
}

#[track_caller]
fn assert_verdict(finding: &Finding, verdict: Verdict, certainty: Certainty) {
    assert_eq!(finding.verdict, Some(verdict), "{}", finding.render());
    assert_certainty(finding, certainty);
}

/// The finding of an acquire that times out while `hoarder` holds the permits.
async fn while_hoarded(
    pool: &TestPool,
    taken: &Notify,
    hoarder: impl Future<Output = Result>,
) -> Finding {
    let mut hoarder = Box::pin(hoarder);
    tokio::select! {
        () = taken.notified() => {}
        ended = &mut hoarder => panic!("{ended:?}"),
    }
    times_out(pool, hoarder).await
}

const A_SECOND: Duration = Duration::from_secs(1);

fn postgres_at(port: u16) -> TestPool<sqlx::Postgres> {
    let options = PgPoolOptions::new().acquire_timeout(A_SECOND);
    let url = format!("postgres://someone@127.0.0.1:{port}/shop");
    TestPool::of(options.connect_lazy(&url).unwrap())
}

/// The diagnosis does not delay sqlx's error.
fn assert_in_time(began: Instant) {
    let time = began.elapsed();
    println!("the error came {time:?} after the acquire");
    assert!(time >= A_SECOND, "{time:?}");
    assert!(time < 2 * A_SECOND, "{time:?}");
}

/// A server that accepts connections and never sends a byte. Returns its port and the number of accepted connections.
fn silent_server() -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&accepted);
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            kept.push(stream);
            counted.fetch_add(1, Relaxed);
        }
    });
    (port, accepted)
}
