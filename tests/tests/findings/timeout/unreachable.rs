//! The verdict `unreachable`: a server that refuses connections, or does not answer.

use std::net::TcpListener;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use leash_tests::{Cut, Fate, Proxy};
use sqlx::leash::{self, testing::findings};
use sqlx::leash::{Backend, Certainty, Lint, Verdict};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, track};

use crate::common::{TestPool, assert_helps, assert_primary, marked, only_of, said, until};

use super::{
    A_SECOND, assert_in_time, assert_verdict, pool_of, postgres_at, silent_server, times_out, waits,
};

/// A local port without a listener.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn mysql_at(port: u16) -> TestPool<sqlx::MySql> {
    let options = MySqlPoolOptions::new().acquire_timeout(A_SECOND);
    let url = format!("mysql://someone@127.0.0.1:{port}/shop");
    TestPool::of(options.connect_lazy(&url).unwrap())
}

async fn is_refused<DB: Backend>(pool: &TestPool<DB>, port: u16) {
    let began = Instant::now();
    let finding = times_out(pool, async {}).await;
    assert_in_time(began);
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Certain);
    let address = format!("connecting to 127.0.0.1:{port}/shop fails: ");
    assert!(finding.cause.starts_with(&address), "{}", finding.cause);
    assert!(finding.cause.contains("refused"), "{}", finding.cause);
    // A timeout within the next minute has only this one connect as evidence.
    let finding = times_out(pool, async {}).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
    assert_helps(&finding, &format!("127.0.0.1:{port}"));
    assert_eq!(said(&finding, "permits held"), "0 of 10, 1 waiting");
    assert!(finding.related.is_empty());
}

#[tokio::test]
async fn nothing_listens_for_postgres() {
    let port = closed_port();
    is_refused(&postgres_at(port), port).await;
}

#[tokio::test]
async fn nothing_listens_for_mysql() {
    let port = closed_port();
    is_refused(&mysql_at(port), port).await;
}

#[track]
async fn makes(options: PgPoolOptions, url: &str) -> sqlx::Result<PgPool> {
    options.connect(url).await // @makes
}

#[tokio::test]
async fn nothing_listens_when_the_pool_is_made() {
    let port = closed_port();
    let url = format!("postgres://someone@127.0.0.1:{port}/shop");
    let options = PgPoolOptions::new().acquire_timeout(A_SECOND);
    let began = Instant::now();
    let (made, found) = findings(makes(options, &url)).await;
    assert!(matches!(made, Err(sqlx::Error::PoolTimedOut)), "{made:?}");
    assert_in_time(began);
    let finding = only_of(Lint::PoolTimeout, &found);
    assert_primary(
        finding,
        &marked("makes", "connect"),
        "timeout::unreachable::makes",
    );
    assert_verdict(finding, Verdict::Unreachable, Certainty::Certain);
    let address = format!("connecting to 127.0.0.1:{port}/shop fails: ");
    assert!(finding.cause.starts_with(&address), "{}", finding.cause);
    // Nothing is left of the pool that could not be made.
    let pools = leash::snapshot().pools;
    assert!(
        !pools
            .iter()
            .any(|pool| pool.name.contains(&port.to_string()))
    );
}

#[tokio::test]
async fn a_pool_that_is_made_in_time_is_counted_from_its_first_handle_on() {
    let pool = pool_of(1).await;
    let stats = pool.stats();
    assert_eq!((stats.acquired, stats.timeouts, stats.abandoned), (0, 0, 0));
}

/// The reported address is the one that the connect tried.
#[tokio::test]
async fn a_pool_that_was_given_another_address() {
    let (old, new) = (closed_port(), closed_port());
    let pool = postgres_at(old);
    let url = format!("postgres://someone@127.0.0.1:{new}/shop");
    pool.set_connect_options(url.parse().unwrap());
    let finding = times_out(&pool, async {}).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Certain);
    let address = format!("connecting to 127.0.0.1:{new}/shop fails: ");
    assert!(finding.cause.starts_with(&address), "{}", finding.cause);
}

#[tokio::test]
async fn the_server_never_answers() {
    let (port, accepted) = silent_server();
    let pool = postgres_at(port);
    for attempt in 0..3 {
        let began = Instant::now();
        let finding = times_out(&pool, async {}).await;
        assert_in_time(began);
        assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
        let address = format!("a connect to 127.0.0.1:{port}/shop got no answer in ");
        assert!(finding.cause.starts_with(&address), "{}", finding.cause);
        // sqlx opens one connection for each attempt, and the diagnosis one more a minute.
        assert_eq!(accepted.load(Relaxed), attempt + 2);
    }
}

#[tokio::test]
async fn the_mysql_server_never_answers() {
    let (port, _) = silent_server();
    let finding = times_out(&mysql_at(port), async {}).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
}

/// An acquire that opens a new connection keeps waiting for it, also when another connection is returned.
#[tokio::test]
async fn a_connection_that_comes_back_does_not_help() {
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
    let gives_back = async {
        pool.has_waiting(1).await;
        drop(held);
        until("the connection is returned", || pool.num_idle() == 1).await;
    };
    let finding = times_out(&pool, gives_back).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
    assert!(finding.cause.contains("no answer"), "{}", finding.cause);
    assert_eq!(said(&finding, "idle"), "1");
}

#[tokio::test]
async fn a_new_outage_is_diagnosed_again() {
    const PATIENT: Duration = Duration::from_secs(4);
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let server: PgConnectOptions = db.url().parse().unwrap();
    let port = closed_port();
    let options = PgPoolOptions::new().acquire_timeout(PATIENT);
    let pool = options.connect_lazy_with(server.clone().host("127.0.0.1").port(port));
    let pool = TestPool::of(pool);
    let finding = times_out(&pool, async {}).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Certain);

    let proxy = Proxy::on(port, server.get_host(), server.get_port());
    waits(&pool).await.unwrap();
    // The second outage begins before the recovery could be observed.
    proxy.meets_new_ones_with(Fate::Swallowed);
    proxy.treats(Fate::Cut(Cut::Closed));
    let finding = times_out(&pool, async {}).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
    assert!(finding.cause.contains("no answer"), "{}", finding.cause);
}
