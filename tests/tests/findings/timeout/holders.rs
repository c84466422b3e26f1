//! Verdicts about the code that holds the permits: a hoarder, or too few permits for the load.

use std::time::Duration;

use futures::FutureExt;
use futures::TryStreamExt;
use futures::future::join_all;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, HandleExt, Lint, Verdict};
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{PgPool, SqlitePool, track};
use tokio::sync::{Mutex, Notify};

use crate::common::{
    TestPool, assert_helps, assert_primary, connect, marked, options, related, said,
};

use super::{Result, assert_verdict, pool_of, times_out, while_hoarded};

#[track]
pub(super) async fn hoards_a_connection(pool: &SqlitePool, taken: &Notify) -> Result {
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

#[tokio::test]
async fn a_connection_is_hoarded() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, hoards_a_connection(&pool, &taken)).await;
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Certain);
    let holder = related(&finding, &marked("connection", "acquire"));
    let label = "findings::timeout::holders::hoards_a_connection holds 1 permit for ";
    assert!(
        holder.label.starts_with(label) && holder.label.contains("idle for"),
        "{}",
        holder.label
    );
    assert!(
        finding
            .cause
            .starts_with("1 of 1 permit has been held idle for "),
        "{}",
        finding.cause
    );
    assert!(
        finding
            .cause
            .ends_with("1 of them by findings::timeout::holders::hoards_a_connection"),
        "{}",
        finding.cause
    );
    assert_helps(
        &finding,
        "in findings::timeout::holders::hoards_a_connection before its slow work: `drop(conn)`",
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
            .starts_with("1 of 2 permits has been held idle for "),
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
        finding.related[1].label.starts_with(
            "findings::timeout::holders::hoards_a_connection holds 2 permits, the oldest for"
        ),
        "{}",
        finding.related[1].label
    );
}

#[track]
async fn works(pool: &PgPool) -> Result {
    sqlx::query("SELECT pg_sleep(0.3)").execute(pool).await?; // @works
    Ok(())
}

#[track]
async fn listens(pool: &PgPool) -> Result {
    let mut listener = PgListener::connect_with(pool).await?; // @listens
    listener.listen("orders").await?;
    listener.recv().await?;
    Ok(())
}

#[tokio::test]
async fn a_listener_for_each_client() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let options = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(1));
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    let mut clients = Box::pin(async { futures::try_join!(listens(&pool), listens(&pool)) });
    tokio::select! {
        () = pool.has_handles(2) => {}
        ended = &mut clients => panic!("{ended:?}"),
    }
    let finding = times_out(&pool, clients).await;
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Certain);
    related(&finding, &marked("listens", "connect_with"));
    assert_helps(&finding, "let one `PgListener` in a task of its own");
    assert_helps(&finding, "`tokio::sync::broadcast` channel");
}

#[track]
async fn waits_for_the_lock(pool: &SqlitePool, taken: &Notify, lock: &Mutex<()>) -> Result {
    let conn = pool.acquire().await?;
    taken.notify_one();
    let guard = lock.lock().await;
    drop(guard);
    drop(conn);
    Ok(())
}

/// The owner of the lock waits for the pool. The wait for a lock cannot be proven, so the help names the possibility.
#[tokio::test]
async fn a_lock_taken_in_the_opposite_order() {
    let (pool, taken, lock) = (pool_of(1).await, Notify::new(), Mutex::new(()));
    let _locked = lock.lock().await;
    let finding = while_hoarded(&pool, &taken, waits_for_the_lock(&pool, &taken, &lock)).await;
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Certain);
    assert_helps(
        &finding,
        "waits for a lock (`Mutex`, `OnceCell`) whose owner waits for this pool: lock before the connection is taken",
    );
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
    // Ten at once of 0.3 s each within a second: three connections are needed.
    let run = async { join_all((0..10).map(|_| works(&pool))).await };
    let (ended, found) = findings(Box::pin(run)).await;
    let timed_out = ended.iter().filter(|ended| ended.is_err()).count();
    // Two time out unless the machine is late. The first two acquires do not have to wait.
    assert!((1..=8).contains(&timed_out), "{ended:?}");
    let found: Vec<_> = found
        .into_iter()
        .filter(|finding| finding.lint == Lint::PoolTimeout)
        .collect();
    assert_eq!(found.len(), timed_out);
    for finding in &found {
        assert_verdict(finding, Verdict::Capacity, Certainty::Likely);
        assert_primary(
            finding,
            &marked("works", "execute"),
            "timeout::holders::works",
        );
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
        let first = &finding.help[0];
        assert!(
            first.starts_with("hold connections for less time: of the time held"),
            "{first}"
        );
        assert!(first.contains(" was with the database ("), "{first}");
    }
}

#[track]
async fn does_other_work(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

/// Each hold is short, so that none is a hoarder; most of each is idle in hand.
#[tokio::test]
async fn too_few_because_of_other_work() {
    let options = options(2).acquire_timeout(Duration::from_millis(600));
    let pool = connect(options).await;
    // Thirty holds of 0.1 s each, two at once, need 1.5 s.
    let run = async { join_all((0..30).map(|_| does_other_work(&pool))).await };
    let (ended, found) = findings(Box::pin(run)).await;
    assert!(ended.iter().any(std::result::Result::is_err));
    let mut found = found.iter().filter(|it| it.lint == Lint::PoolTimeout);
    let finding = found.next().unwrap();
    assert_verdict(finding, Verdict::Capacity, Certainty::Likely);
    let first = &finding.help[0];
    assert!(
        first.starts_with("hold connections for less time: of the time held"),
        "{first}"
    );
    assert!(
        first.contains(" % was idle in hand (") && first.contains("release them before slow work"),
        "{first}"
    );
    let raises = |help: &String| help.contains("max_connections");
    assert!(!finding.help.iter().any(raises), "{}", finding.render());
}
