//! More acquires at once than a pool can serve in time, while it serves one after the other.

use std::time::Duration;

use futures::future::join_all;
use leash_tests::{Fate, Proxy};
use sqlx::leash::testing::findings;
use sqlx::leash::{Backend, Certainty, Finding, Lint, ScopeExt, Verdict};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{MySqlPool, PgPool, SqlitePool, track};

use crate::common::{TestPool, assert_primary, connect, marked, options, said, until};

use super::{A_SECOND, Result, times_out};

/// Five permits serve at most 500 of them within a second, because each takes 10 ms of the database's time.
const CAKES: usize = 2_000;

#[track]
async fn bakes_on_postgres(pool: &PgPool, name: String) -> Result {
    let insert = "INSERT INTO cake SELECT $1 FROM pg_sleep(0.01)";
    sqlx::query(insert).bind(name).execute(pool).await?; // @postgres
    Ok(())
}

#[track]
async fn bakes_on_mysql(pool: &MySqlPool, name: String) -> Result {
    let insert = "INSERT INTO cake SELECT CONCAT(?, SLEEP(0.01))";
    sqlx::query(insert).bind(name).execute(pool).await?; // @mysql
    Ok(())
}

#[track]
async fn bakes_on_sqlite(pool: &SqlitePool, name: String) -> Result {
    let insert = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
         INSERT INTO cake SELECT ? || max(i) FROM n";
    sqlx::query(insert).bind(name).execute(pool).await?; // @sqlite
    Ok(())
}

/// Runs all of them at once, and returns the timeouts. The verdict of each must be capacity.
async fn burst<F: Future<Output = Result>>(bake: impl Fn(String) -> F) -> Vec<Finding> {
    let all = (0..CAKES).map(|number| bake(format!("cake {number}")));
    let (baked, mut found) = findings(Box::pin(join_all(all))).await;
    let served = baked.iter().filter(|ended| ended.is_ok()).count();
    assert!((1..CAKES).contains(&served), "{served} of {CAKES}");
    found.retain(|finding| finding.lint == Lint::PoolTimeout);
    assert_eq!(found.len(), CAKES - served);
    for finding in &found {
        assert_eq!(
            finding.verdict,
            Some(Verdict::Capacity),
            "{}",
            finding.render()
        );
        assert!(
            !finding.render().contains("listens"),
            "{}",
            finding.render()
        );
    }
    found
}

/// The figures of the first acquire that timed out.
fn assert_figures(finding: &Finding, permits: usize) {
    assert_eq!(finding.certainty, Certainty::Likely, "{}", finding.render());
    let number = |fact| said(finding, fact).parse::<usize>().unwrap();
    let (served, before) = (
        number("served during this wait"),
        number("before it in the queue"),
    );
    assert!(
        served > 0 && served <= before + permits,
        "{}",
        finding.render()
    );
    assert!(before < CAKES, "{}", finding.render());
    let needed = number("connections needed");
    assert!(needed > permits && needed <= CAKES, "{}", finding.render());
    let words = format!("{needed} connections needed, and there are {permits}");
    assert!(finding.cause.ends_with(&words), "{}", finding.cause);
    assert!(
        finding.cause.contains(" served during this wait, "),
        "{}",
        finding.cause
    );
}

#[tokio::test]
async fn a_burst_on_postgres() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let options = PgPoolOptions::new()
        .max_connections(5)
        .acquire_timeout(A_SECOND);
    let pool = TestPool::of(options.connect_lazy(db.url()).unwrap());
    let create = "CREATE TABLE cake (name TEXT)";
    sqlx::raw_sql(create).execute(&*pool).await.unwrap();
    let found = burst(|name| bakes_on_postgres(&pool, name)).await;
    assert_figures(&found[0], 5);
    assert_primary(
        &found[0],
        &marked("postgres", "execute"),
        "timeout::load::bakes_on_postgres",
    );
}

#[tokio::test]
async fn a_burst_on_mysql() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let options = MySqlPoolOptions::new()
        .max_connections(5)
        .acquire_timeout(A_SECOND);
    let pool = TestPool::of(options.connect_lazy(db.url()).unwrap());
    let create = "CREATE TABLE cake (name VARCHAR(100))";
    sqlx::raw_sql(create).execute(&*pool).await.unwrap();
    let found = burst(|name| bakes_on_mysql(&pool, name)).await;
    assert_figures(&found[0], 5);
    assert_primary(
        &found[0],
        &marked("mysql", "execute"),
        "timeout::load::bakes_on_mysql",
    );
}

#[tokio::test]
async fn a_burst_on_sqlite() {
    let pool = connect(options(1).acquire_timeout(A_SECOND)).await;
    let create = "CREATE TABLE cake (name TEXT)";
    sqlx::raw_sql(create).execute(&*pool).await.unwrap();
    let found = burst(|name| bakes_on_sqlite(&pool, name)).await;
    assert_figures(&found[0], 1);
    assert_primary(
        &found[0],
        &marked("sqlite", "execute"),
        "timeout::load::bakes_on_sqlite",
    );
}

/// The corrected form: as many at once as the pool serves in time.
#[tokio::test]
async fn a_queue_before_the_pool() {
    let pool = connect(options(1).acquire_timeout(30 * A_SECOND)).await;
    let create = "CREATE TABLE cake (name TEXT)";
    sqlx::raw_sql(create).execute(&*pool).await.unwrap();
    let few = tokio::sync::Semaphore::new(4);
    let bake = async |number: usize| {
        let _one_of_few = few.acquire().await.unwrap();
        bakes_on_sqlite(&pool, format!("cake {number}")).await
    };
    // Few enough for the pool not to be in use for seconds, which is a finding of its own.
    let run = join_all((0..40).map(bake));
    crate::common::silent(run)
        .await
        .into_iter()
        .collect::<Result>()
        .unwrap();
}

#[track]
async fn takes_turns<DB: Backend>(pool: &sqlx::Pool<DB>) -> Result {
    drop(pool.acquire().await?);
    Ok(())
}

/// The server answers on the connection that is open, and accepts no other one. It is not the server that is blamed.
#[tokio::test]
async fn a_further_connection_gets_no_answer() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let server: PgConnectOptions = db.url().parse().unwrap();
    let proxy = Proxy::to(server.get_host(), server.get_port());
    let options = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(2 * A_SECOND);
    let server = server.host("127.0.0.1").port(proxy.address.port());
    let pool = TestPool::of(options.connect_lazy_with(server));
    let held = pool.acquire().await.unwrap();
    proxy.meets_new_ones_with(Fate::Swallowed);
    let others = async {
        pool.has_waiting(1).await;
        drop(held);
        until("the connection is returned", || pool.num_idle() == 1).await;
        loop {
            takes_turns(&pool).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let finding = times_out(&pool, others).await;
    assert_ne!(
        finding.verdict,
        Some(Verdict::Unreachable),
        "{}",
        finding.render()
    );
    assert!(
        finding.cause.contains("served during this wait"),
        "{}",
        finding.cause
    );
}

/// Each in a task of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_of_tasks() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let options = PgPoolOptions::new()
        .max_connections(5)
        .acquire_timeout(A_SECOND);
    let pool = TestPool::of(options.connect_lazy(db.url()).unwrap());
    let create = "CREATE TABLE cake (name TEXT)";
    sqlx::raw_sql(create).execute(&*pool).await.unwrap();
    let found = burst(|name| {
        let pool = PgPool::clone(&pool);
        async move {
            let task = async move { bakes_on_postgres(&pool, name).await };
            tokio::spawn(task.in_current_scope()).await.unwrap()
        }
    })
    .await;
    assert_figures(&found[0], 5);
}
