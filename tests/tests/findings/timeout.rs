//! `pool_timeout`: an acquire gave up, and why. Every verdict from what a program does, sqlx's error unchanged and in time.

use std::future::Future;
use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::TryStreamExt;
use futures::future::join_all;
use sqlx::leash::{self, testing::findings};
use sqlx::leash::{
    Backend, Certainty, Finding, HandleExt, Level, Lint, PoolExt, ScopeExt, Verdict,
};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool, Pool, SqlitePool, track};
use tokio::runtime::Builder;
use tokio::sync::{Barrier, Notify};

use crate::child::in_child;
use crate::common::{
    TestPool, assert_certainty, assert_helps, assert_primary, connect, marked, none, note_panics,
    only, options, panics_about, reads, related, said, until,
};
use crate::proxy::{Cut, Fate, Proxy};
use crate::support::Lines;

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

/// The one finding of somebody who waits in vain, while `beside` runs.
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
    let finding = only(Lint::PoolTimeout, &found).clone();
    assert_eq!(finding.level, Level::Warn);
    assert_primary(&finding, &marked("waits", "acquire"), "timeout::waits");
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

// Hoarders.

#[track]
async fn hoards_a_connection(pool: &SqlitePool, taken: &Notify) -> Result {
    let conn = pool.acquire().await?; // @connection
    taken.notify_one();
    std::future::pending::<()>().await;
    drop(conn);
    Ok(())
}

#[track]
async fn hoards_a_transaction(pool: &SqlitePool, taken: &Notify) -> Result {
    let mut tx = pool.begin().await?; // @transaction
    sqlx::query("SELECT 1").execute(&mut *tx).await?; // @transaction query
    taken.notify_one();
    std::future::pending::<()>().await;
    tx.commit().await
}

#[track]
async fn hoards_a_stream(pool: &SqlitePool, taken: &Notify) -> Result {
    let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(pool); // @stream
    while let Some(_row) = rows.try_next().await? {
        taken.notify_one();
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// What is found where somebody waits while `hoarder` has what it takes.
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

#[tokio::test]
async fn a_connection_is_hoarded() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, hoards_a_connection(&pool, &taken)).await;
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Certain);
    let holder = related(&finding, &marked("connection", "acquire"));
    let label = "findings::timeout::hoards_a_connection holds 1 permit for ";
    assert!(
        holder.label.starts_with(label) && holder.label.contains("idle for"),
        "{}",
        holder.label
    );
    assert!(
        finding
            .cause
            .starts_with("1 of 1 permits lies idle in its holder's hands for "),
        "{}",
        finding.cause
    );
    assert!(
        finding
            .cause
            .ends_with("1 of them in findings::timeout::hoards_a_connection"),
        "{}",
        finding.cause
    );
    assert_helps(
        &finding,
        "in findings::timeout::hoards_a_connection before its slow work: `drop(conn)`",
    );
    assert_eq!(said(&finding, "permits held"), "1 of 1, 1 waiting");
    assert_eq!(said(&finding, "idle"), "0");
}

#[tokio::test]
async fn a_transaction_is_hoarded() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, hoards_a_transaction(&pool, &taken)).await;
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Certain);
    let holder = related(&finding, &marked("transaction", "begin"));
    let query = marked("transaction query", "execute");
    let last = format!(
        "last SELECT at {}:{}:{}",
        query.file, query.line, query.column
    );
    assert!(holder.label.ends_with(&last), "{}", holder.label);
    assert_helps(&finding, "tx.commit().await?");
}

#[tokio::test]
async fn a_stream_is_hoarded() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, hoards_a_stream(&pool, &taken)).await;
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Certain);
    let holder = related(&finding, &marked("stream", "fetch"));
    assert!(holder.label.contains("1 row read"), "{}", holder.label);
    assert_helps(&finding, "try_collect");
}

#[track]
async fn is_busy_and_busy_again(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    loop {
        let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i) FROM n";
        sqlx::query(long).execute(&mut *conn).await?;
    }
}

#[tokio::test]
async fn some_hoard_and_some_work() {
    let (pool, taken) = (pool_of(2).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, async {
        tokio::try_join!(
            hoards_a_connection(&pool, &taken),
            is_busy_and_busy_again(&pool)
        )
        .map(|_| ())
    })
    .await;
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Likely);
    assert!(
        finding
            .cause
            .starts_with("1 of 2 permits lies idle in its holder's hands for "),
        "{}",
        finding.cause
    );
    assert_eq!(finding.related.len(), 2, "{}", finding.render());
}

#[track]
async fn reserves(pool: &SqlitePool, taken: &Notify) -> Result {
    let conn = pool.acquire().await?.long_lived("it listens"); // @reserved
    taken.notify_one();
    std::future::pending::<()>().await;
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn a_reserved_permit_is_shown_with_its_reason() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, reserves(&pool, &taken)).await;
    let holder = related(&finding, &marked("reserved", "acquire"));
    assert!(
        holder.label.contains("(reserved: it listens)"),
        "{}",
        holder.label
    );
}

#[tokio::test]
async fn holders_are_grouped_by_site_the_oldest_first() {
    let (pool, taken) = (pool_of(3).await, Notify::new());
    let mut first = Box::pin(hoards_a_transaction(&pool, &taken));
    tokio::select! {
        () = taken.notified() => {}
        ended = &mut first => panic!("{ended:?}"),
    }
    let connections = async {
        tokio::try_join!(
            first,
            hoards_a_connection(&pool, &taken),
            hoards_a_connection(&pool, &taken)
        )
    };
    let beside = connections.map(drop);
    let mut beside = Box::pin(beside);
    tokio::select! {
        () = pool.has_handles(3) => {}
        () = &mut beside => panic!("they end"),
    }
    let finding = times_out(&pool, beside).await;
    let places: Vec<_> = finding
        .related
        .iter()
        .map(|related| related.site.line)
        .collect();
    let expected = [
        marked("transaction", "begin"),
        marked("connection", "acquire"),
    ];
    assert_eq!(places, expected.map(|place| place.line));
    assert!(
        finding.related[1]
            .label
            .starts_with("findings::timeout::hoards_a_connection holds 2 permits, the oldest for"),
        "{}",
        finding.related[1].label
    );
}

// Capacity.

#[track]
async fn works(pool: &PgPool) -> Result {
    sqlx::query("SELECT pg_sleep(0.3)").execute(pool).await?; // @works
    Ok(())
}

#[tokio::test]
async fn too_few_for_the_load() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let options = PgPoolOptions::new()
        .max_connections(2)
        .min_connections(2)
        .acquire_timeout(Duration::from_secs(1));
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    // Ten at once, 0.3 s each, in a second: three connections are needed.
    let run = async { join_all((0..10).map(|_| works(&pool))).await };
    let (ended, found) = findings(Box::pin(run)).await;
    let timed_out = ended.iter().filter(|ended| ended.is_err()).count();
    // Two where the machine is not late. The first two have nobody to wait for.
    assert!((1..=8).contains(&timed_out), "{ended:?}");
    let found: Vec<_> = found
        .into_iter()
        .filter(|finding| finding.lint == Lint::PoolTimeout)
        .collect();
    assert_eq!(found.len(), timed_out);
    for finding in &found {
        assert_verdict(finding, Verdict::Capacity, Certainty::Likely);
        assert_primary(finding, &marked("works", "execute"), "timeout::works");
        let number = |name| said(finding, name).parse::<f64>().unwrap();
        let rate = number("acquires per second");
        assert!((4.0..=10.0).contains(&rate), "{}", finding.render());
        let mean = said(finding, "mean hold").strip_suffix(" ms").unwrap();
        let mean = mean.parse::<f64>().unwrap();
        assert!((295.0..1000.0).contains(&mean), "{}", finding.render());
        let needed = number("connections needed");
        assert!(
            (needed - (rate * mean / 1e3).ceil()).abs() <= 1.0,
            "{}",
            finding.render()
        );
        assert!(
            finding
                .cause
                .ends_with("connections needed, and there are 2"),
            "{}",
            finding.cause
        );
        assert_helps(finding, "make the holds shorter");
    }
}

// Unreachable.

/// A port of this machine on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

const A_SECOND: Duration = Duration::from_secs(1);

fn postgres_at(port: u16) -> TestPool<sqlx::Postgres> {
    let options = PgPoolOptions::new().acquire_timeout(A_SECOND);
    let url = format!("postgres://someone@127.0.0.1:{port}/shop");
    TestPool::of(options.connect_lazy(&url).unwrap())
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
    // Who comes later, within the minute, has only that to go by.
    let finding = times_out(pool, async {}).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
    assert_helps(&finding, &format!("127.0.0.1:{port}"));
    assert_eq!(said(&finding, "permits held"), "0 of 10, 1 waiting");
    assert!(finding.related.is_empty());
}

/// sqlx's error is not delayed by what is found out meanwhile.
fn assert_in_time(began: Instant) {
    let time = began.elapsed();
    println!("the error came {time:?} after the acquire");
    assert!(time >= A_SECOND, "{time:?}");
    assert!(time < 2 * A_SECOND, "{time:?}");
}

#[tokio::test]
async fn nobody_listens_for_postgres() {
    let port = closed_port();
    is_refused(&postgres_at(port), port).await;
}

#[tokio::test]
async fn nobody_listens_for_mysql() {
    let port = closed_port();
    is_refused(&mysql_at(port), port).await;
}

#[track]
async fn makes(options: PgPoolOptions, url: &str) -> sqlx::Result<PgPool> {
    options.connect(url).await // @makes
}

#[tokio::test]
async fn nobody_listens_when_the_pool_is_made() {
    let port = closed_port();
    let url = format!("postgres://someone@127.0.0.1:{port}/shop");
    let options = PgPoolOptions::new().acquire_timeout(A_SECOND);
    let began = Instant::now();
    let (made, found) = findings(makes(options, &url)).await;
    assert!(matches!(made, Err(sqlx::Error::PoolTimedOut)), "{made:?}");
    assert_in_time(began);
    let finding = only(Lint::PoolTimeout, &found);
    assert_primary(finding, &marked("makes", "connect"), "timeout::makes");
    assert_verdict(finding, Verdict::Unreachable, Certainty::Certain);
    let address = format!("connecting to 127.0.0.1:{port}/shop fails: ");
    assert!(finding.cause.starts_with(&address), "{}", finding.cause);
    // Nothing is left of the pool that was not made.
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

/// The address told is the one that was tried.
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

/// Accepts connections, never says a word, and counts.
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

#[tokio::test]
async fn the_server_never_answers() {
    let (port, accepted) = silent_server();
    let pool = postgres_at(port);
    for attempt in 0..3 {
        let began = Instant::now();
        let finding = times_out(&pool, async {}).await;
        assert_in_time(began);
        assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
        let address = format!("connecting to 127.0.0.1:{port}/shop got no answer in ");
        assert!(finding.cause.starts_with(&address), "{}", finding.cause);
        // One connection of sqlx's for each attempt, and one more a minute to learn why.
        assert_eq!(accepted.load(Relaxed), attempt + 2);
    }
}

#[tokio::test]
async fn the_mysql_server_never_answers() {
    let (port, _) = silent_server();
    let finding = times_out(&mysql_at(port), async {}).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
}

/// Who makes a new connection goes on with that, also when another is given back.
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
        until("it comes back", || pool.num_idle() == 1).await;
    };
    let finding = times_out(&pool, gives_back).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
    assert!(finding.cause.contains("no answer"), "{}", finding.cause);
    assert_eq!(said(&finding, "idle"), "1");
}

#[tokio::test]
async fn a_new_outage_is_looked_into_anew() {
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
    // Before anybody could see that all is well again.
    proxy.meets_new_ones_with(Fate::Swallowed);
    proxy.treats(Fate::Cut(Cut::Closed));
    let finding = times_out(&pool, async {}).await;
    assert_verdict(&finding, Verdict::Unreachable, Certainty::Likely);
    assert!(finding.cause.contains("no answer"), "{}", finding.cause);
}

#[test]
fn no_connect_where_it_is_switched_off() {
    let variables = [("SQLX_LEASH", "connect_probe=off")];
    in_child(
        "timeout::no_connect_where_it_is_switched_off",
        &variables,
        |runtime| {
            runtime.block_on(async {
                let (port, accepted) = silent_server();
                let began = Instant::now();
                let finding = times_out(&postgres_at(port), async {}).await;
                assert_in_time(began);
                assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
                assert_eq!(accepted.load(Relaxed), 1);
            });
        },
    );
}

#[tokio::test]
async fn no_connect_for_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exam.db");
    let (database, removed) = (file.clone(), file.clone());
    // A connection that never gets ready, and whose file a further one would make anew.
    let pool = options(2)
        .acquire_timeout(A_SECOND)
        .after_connect(move |_, _| {
            std::fs::remove_file(&removed).unwrap();
            Box::pin(std::future::pending())
        })
        .connect_lazy_with(
            SqliteConnectOptions::new()
                .filename(database)
                .create_if_missing(true),
        );
    let finding = times_out(&TestPool::of(pool), async {}).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
    assert!(!file.exists(), "only sqlx connects to it");
}

/// Permits are free, the server answers, and still there is no connection.
#[tokio::test]
async fn a_hook_never_ends() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let pool = PgPoolOptions::new()
        .acquire_timeout(A_SECOND)
        .after_connect(|_, _| Box::pin(std::future::pending()))
        .connect_lazy(db.url())
        .unwrap();
    let finding = times_out(&TestPool::of(pool), async {}).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
    assert!(
        finding.cause.contains("a connect of our own went well"),
        "{}",
        finding.cause
    );
    assert_helps(&finding, "`after_connect`");
}

async fn is_refused_by_name<DB: Backend>(pool: TestPool<DB>) {
    let (ended, found) = findings(Box::pin(waits(&pool))).await;
    assert!(matches!(ended, Err(sqlx::Error::Database(_))), "{ended:?}");
    none(Lint::PoolTimeout, &found);
    let stats = pool.stats();
    assert_eq!((stats.timeouts, stats.acquire_errors), (0, 1));
}

/// The URL with another user and password.
fn as_somebody_else(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://nobody_we_know:wrong@{rest}")
}

#[tokio::test]
async fn a_wrong_password_is_no_timeout() {
    if let Some(db) = leash_test_support::postgres().await {
        let url = as_somebody_else(db.url());
        is_refused_by_name(TestPool::of(
            PgPoolOptions::new().connect_lazy(&url).unwrap(),
        ))
        .await;
    }
    if let Some(db) = leash_test_support::mysql().await {
        let url = as_somebody_else(db.url());
        is_refused_by_name(TestPool::of(
            MySqlPoolOptions::new().connect_lazy(&url).unwrap(),
        ))
        .await;
    }
}

// Unaccounted and lent.

#[track]
async fn sleeps_after_lending(pool: &SqlitePool, taken: &Notify) -> Result {
    let mut tx = pool.begin().await?; // @lends
    reads(&mut tx).await?;
    taken.notify_one();
    std::future::pending::<()>().await;
    tx.commit().await
}

#[tokio::test]
async fn what_a_holder_does_with_a_lent_connection_is_not_known() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, sleeps_after_lending(&pool, &taken)).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
    assert!(
        finding
            .cause
            .contains("1 of 1 permit is lent as a plain connection")
            && finding.cause.contains("sleeps_after_lending"),
        "{}",
        finding.cause
    );
    related(&finding, &marked("lends", "begin"));
}

/// Who waits may be connecting: what is open then is nobody else's.
#[tokio::test]
async fn what_waiters_connect_is_no_untracked_use() {
    let directory = tempfile::tempdir().unwrap();
    let file = SqliteConnectOptions::new().filename(directory.path().join("exam.db"));
    let mut locks = file
        .clone()
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE exam (id INTEGER); BEGIN EXCLUSIVE")
        .execute(&mut locks)
        .await
        .unwrap();
    let waits_for_the_lock = file
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(10));
    let pool = SqlitePoolOptions::new()
        .max_connections(5)
        .acquire_timeout(SOON)
        .connect_lazy_with(waits_for_the_lock);
    let pool = TestPool::of(pool);
    let (ended, found) = findings(join_all((0..3).map(|_| waits(&pool)))).await;
    locks.close().await.unwrap();
    for ended in ended {
        assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)), "{ended:?}");
    }
    for finding in &found {
        assert_eq!(finding.verdict, Some(Verdict::Unknown), "{finding}");
    }
    assert!(!found.is_empty());
}

#[tokio::test]
async fn somebody_uses_the_plain_pool_behind_its_back() {
    let plain = plain_sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(2)
        .acquire_timeout(SOON)
        .connect("sqlite::memory:")
        .await
        .unwrap();
    let pool = TestPool::of(SqlitePool::from(plain.clone()));
    let (one, other) = (
        plain.acquire().await.unwrap(),
        plain.acquire().await.unwrap(),
    );
    let finding = times_out(&pool, async {}).await;
    assert_verdict(&finding, Verdict::Unaccounted, Certainty::Likely);
    assert!(
        finding
            .cause
            .starts_with("2 permits are in use by nobody that is known"),
        "{}",
        finding.cause
    );
    assert_helps(&finding, "pool.as_sqlx()");
    drop((one, other));
}

#[tokio::test]
async fn what_is_lent_is_a_fact_and_no_verdict() {
    let pool = pool_of(1).await;
    let lent = pool.as_sqlx().acquire().await.unwrap(); // @lent
    let finding = times_out(&pool, async {}).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
    let place = marked("lent", "as_sqlx");
    assert_eq!(
        said(&finding, "lent to plain sqlx at"),
        format!("{}:{}", place.file, place.line)
    );
    assert!(
        finding.cause.contains("plain sqlx was given this pool"),
        "{}",
        finding.cause
    );
    drop(lent);
}

// The runtime and the clock.

/// A task may leave its own acquires unpolled: a stream of them that is not read.
#[tokio::test]
async fn whom_its_own_task_does_not_poll_is_no_stall() {
    let pool = connect(options(1).acquire_timeout(Duration::from_secs(2))).await;
    let taken = Notify::new();
    let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
    tokio::select! {
        () = taken.notified() => {}
        ended = &mut hoarder => panic!("{ended:?}"),
    }
    let mut unpolled = Box::pin(waits(&pool));
    assert!(unpolled.as_mut().now_or_never().is_none(), "it waits");
    let finding = times_out(&pool, hoarder).await;
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Certain);
}

#[tokio::test]
async fn something_blocks_the_only_thread() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, async {
        pool.has_handles(1).await;
        pool.has_waiting(1).await;
        std::thread::sleep(SOON + Duration::from_millis(1200));
        Ok(())
    });
    let hoarder = hoards_a_connection(&pool, &taken);
    let finding = async {
        tokio::select! {
            finding = finding => finding,
            ended = hoarder => panic!("{ended:?}"),
        }
    };
    let finding = finding.await;
    assert_verdict(&finding, Verdict::RuntimeStall, Certainty::Likely);
    assert!(
        finding.cause.contains("something blocks its threads"),
        "{}",
        finding.cause
    );
    assert_helps(&finding, "spawn_blocking");
}

#[test]
fn something_blocks_every_thread() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let blocks = async {
        let (pool, taken) = (Arc::new(pool_of(1).await), Notify::new());
        let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
        tokio::select! {
            () = taken.notified() => {}
            _ = &mut hoarder => {}
        }
        let run = async {
            let theirs = SqlitePool::clone(&pool);
            let waiter = tokio::spawn(async move { waits(&theirs).await }.in_current_scope());
            pool.has_waiting(1).await;
            let blockers = (0..4).map(|_| {
                tokio::spawn(async { std::thread::sleep(SOON + Duration::from_millis(1200)) })
            });
            let blockers: Vec<_> = blockers.collect();
            let ended = waiter.await.unwrap();
            assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)));
            join_all(blockers).await;
        };
        let ((), found) = findings(Box::pin(run)).await;
        let finding = only(Lint::PoolTimeout, &found);
        assert_verdict(finding, Verdict::RuntimeStall, Certainty::Likely);
    };
    runtime.block_on(blocks);
}

#[tokio::test]
async fn the_clock_is_paused() {
    let (pool, taken) = (
        connect(options(1).acquire_timeout(Duration::from_secs(20))).await,
        Notify::new(),
    );
    let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
    tokio::select! {
        () = taken.notified() => {}
        ended = &mut hoarder => panic!("{ended:?}"),
    }
    tokio::time::pause();
    let finding = times_out(&pool, hoarder).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Certain);
    assert!(
        finding.cause.contains("clock is paused"),
        "{}",
        finding.cause
    );
    assert_helps(&finding, "tokio::time::resume()");
}

#[test]
fn the_process_was_stopped() {
    in_child("timeout::the_process_was_stopped", &[], |runtime| {
        runtime.block_on(async {
            let pool = connect(options(1).acquire_timeout(2 * A_SECOND)).await;
            let taken = Notify::new();
            let finding = while_hoarded(&pool, &taken, async {
                tokio::try_join!(hoards_a_connection(&pool, &taken), async {
                    pool.has_handles(1).await;
                    pool.has_waiting(1).await;
                    // Stopped, and woken from outside.
                    let process = std::process::id();
                    let script = format!("kill -STOP {process}; sleep 3; kill -CONT {process}");
                    Command::new("sh")
                        .args(["-c", &script])
                        .spawn()
                        .unwrap()
                        .wait()
                        .unwrap();
                    Ok(())
                })
                .map(|_| ())
            })
            .await;
            assert_verdict(&finding, Verdict::Unknown, Certainty::Certain);
            assert!(
                finding.cause.contains("the process stood still for"),
                "{}",
                finding.cause
            );
        });
    });
}

// Episodes.

#[tokio::test]
async fn those_who_wait_together_get_one_verdict() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
    tokio::select! {
        () = taken.notified() => {}
        ended = &mut hoarder => panic!("{ended:?}"),
    }
    let run = async {
        tokio::select! {
            all = join_all((0..5).map(|_| waits(&pool))) => all,
            ended = hoarder => panic!("{ended:?}"),
        }
    };
    let (ended, found) = findings(Box::pin(run)).await;
    assert!(
        ended
            .iter()
            .all(|ended| matches!(ended, Err(sqlx::Error::PoolTimedOut)))
    );
    assert_eq!(found.len(), 5);
    for finding in &found {
        assert_verdict(finding, Verdict::Hoarder, Certainty::Certain);
        assert_eq!(finding.cause, found[0].cause);
        assert_eq!(said(finding, "permits held"), "1 of 1, 5 waiting");
    }
    assert_eq!(pool.stats().timeouts, 5);
}

#[track(warn(pool_deadlock))]
async fn takes_two(pool: &SqlitePool, meet: &Barrier) -> Result {
    let first = pool.acquire().await?;
    meet.wait().await;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[test]
fn an_episode_is_told_once_and_when_it_changes_and_ends() {
    let test = "timeout::an_episode_is_told_once_and_when_it_changes_and_ends";
    let printed = in_child(test, &[], |runtime| {
        runtime.block_on(async {
            let lines = Lines::of_process();
            let (pool, taken) = (pool_of(1).await, Notify::new());
            {
                let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
                tokio::select! {
                    () = taken.notified() => {}
                    ended = &mut hoarder => panic!("{ended:?}"),
                }
                for _ in 0..3 {
                    waits(&pool).await.unwrap_err();
                }
            }
            takes_two(&pool, &Barrier::new(1)).await.unwrap_err();
            waits(&pool).await.unwrap();
            until("it recovers", || {
                let mut lines = lines.of("sqlx_leash::pool").into_iter();
                lines.any(|line| line.contains("served again"))
            })
            .await;
            println!();
            for target in ["sqlx_leash::finding", "sqlx_leash::pool"] {
                for told in lines.of(target) {
                    println!("told: {}", told.lines().next().unwrap());
                }
            }
        });
    });
    let told: Vec<_> = printed
        .out
        .lines()
        .filter(|line| line.starts_with("told: "))
        .collect();
    let of = |word: &str| told.iter().filter(|line| line.contains(word)).count();
    assert_eq!(of("[pool_timeout]"), 1, "in full once: {told:#?}");
    assert_eq!(
        of("told: WARN pool_timeout: "),
        1,
        "a line for the change: {told:#?}"
    );
    assert_eq!(
        of("acquires are served again: 4 timeouts in"),
        1,
        "{told:#?}"
    );
}

// Levels.

#[track(allow(pool_timeout, reason = "a test of silence"))]
async fn is_allowed(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    drop(conn);
    Ok(())
}

#[track(deny(pool_timeout))]
async fn is_denied(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @denied
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn allow_is_silent() {
    let pool = pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let (ended, found) = findings(Box::pin(is_allowed(&pool))).await;
    assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)));
    none(Lint::PoolTimeout, &found);
    drop(held);
}

#[tokio::test]
async fn deny_panics_at_the_acquire() {
    note_panics();
    let pool = pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let ended = AssertUnwindSafe(is_denied(&pool)).catch_unwind().await;
    assert_eq!(ended.is_err(), cfg!(debug_assertions));
    if cfg!(debug_assertions) {
        let panics = panics_about(pool.name());
        assert_eq!(panics.len(), 1);
        assert_eq!(panics[0].0, marked("denied", "acquire"));
        assert!(
            panics[0].1.contains("cause (hoarder, certain)"),
            "{}",
            panics[0].1
        );
    }
    drop(held);
}
