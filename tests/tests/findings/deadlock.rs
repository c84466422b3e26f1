//! `pool_deadlock`: every permit is held by a scope that waits for one. Told soon, certain only by evidence, and never of a
//! pool that will drain.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, TryStreamExt};
use sqlx::leash::testing::findings;
use sqlx::leash::{Backend, Certainty, Finding, HandleExt, Level, Lint, ScopeExt, Verdict};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Pool, Sqlite, SqliteConnection, SqlitePool, track};
use tokio::sync::{Barrier, oneshot};
use tokio::time::{sleep, timeout};

use crate::child::in_child;
use crate::common::{
    PATIENCE, TestPool, assert_certainty, assert_helps, assert_primary, connect, declared, marked,
    none, note_panics, only, options, panics_about, pool_of, reads, related, said, until,
};

/// A deadlock is told within this time of forming. The promise is 250 ms; machines that run tests do other things, too.
const SOON: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 500 });

/// So long, what is no deadlock is watched.
const A_WHILE: Duration = Duration::from_millis(400);

type Result = sqlx::Result<()>;

/// Where tasks meet that hold their first handle, and when the last of them came.
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
        self.formed.lock().unwrap().expect("they have met")
    }
}

/// Runs these side by side until the deadlock of the pool is told, gives them up, and gives what was found and how soon.
async fn found_among<DB: Backend>(
    pool: &TestPool<DB>,
    meeting: &Meeting,
    tasks: Vec<BoxFuture<'_, Result>>,
) -> (Finding, Duration) {
    let run = async {
        tokio::select! {
            biased;
            heard = pool.hears(Lint::PoolDeadlock) => heard,
            ended = join_all(tasks) => panic!("they ended: {ended:?}"),
        }
    };
    // In `findings`, nothing panics.
    let ((when, finding), found) = findings(Box::pin(run)).await;
    assert_eq!(
        only(Lint::PoolDeadlock, &found).to_string(),
        finding.to_string(),
        "the callback and the collector hear the same"
    );
    let level = if cfg!(debug_assertions) {
        Level::Deny
    } else {
        Level::Warn
    };
    assert_eq!(finding.level, level);
    let soon = when.saturating_duration_since(meeting.formed());
    println!("told {soon:?} after it formed: {finding}");
    assert!(soon < SOON, "told only {soon:?} after it formed");
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
        "findings::deadlock::takes_one_by_one holds 1 permit since".to_owned()
    } else {
        format!("findings::deadlock::takes_one_by_one holds {size} permits, the oldest since")
    };
    assert!(holders.label.starts_with(&permits), "{}", holders.label);
    assert_eq!(finding.related.len(), 1, "{}", finding.render());
    assert_eq!(said(finding, "permits"), size.to_string());
    assert_eq!(said(finding, "waiters"), size.to_string());
    assert_eq!(said(finding, "acquire_timeout"), "30.0 s");
    let many = format!("and all {size} are held by scopes that wait for one");
    let title = if size == 1 {
        "and the only one is held by a scope that waits for one"
    } else {
        &many
    };
    assert!(finding.title.ends_with(title), "{}", finding.title);
    assert_helps(finding, "drop(conn)");
}

#[tokio::test]
async fn a_pool_of_one() {
    check_of_size(&of_size(&pool_of(1).await, 1).await, 1);
}

#[tokio::test]
async fn a_pool_of_two() {
    check_of_size(&of_size(&pool_of(2).await, 2).await, 2);
}

#[tokio::test]
async fn a_pool_of_five() {
    check_of_size(&of_size(&pool_of(5).await, 5).await, 5);
}

#[tokio::test]
async fn a_pool_of_twenty() {
    check_of_size(&of_size(&pool_of(20).await, 20).await, 20);
}

#[tokio::test]
async fn on_postgres() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let options = PgPoolOptions::new().max_connections(2);
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    check_of_size(&of_size(&pool, 2).await, 2);
}

#[tokio::test]
async fn on_mariadb() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let options = MySqlPoolOptions::new().max_connections(2);
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    check_of_size(&of_size(&pool, 2).await, 2);
}

// Two pools and more.

#[track]
async fn takes_in_order(first: &SqlitePool, second: &SqlitePool, meeting: &Meeting) -> Result {
    let one = first.begin().await?; // @order first
    meeting.all_here().await;
    let other = second.acquire().await?; // @order second
    drop(other);
    one.rollback().await
}

async fn ring(pools: &[TestPool]) -> Finding {
    let meeting = Meeting::of(pools.len());
    let pairs = pools.iter().zip(pools.iter().cycle().skip(1));
    let tasks = pairs.map(|(first, second)| takes_in_order(first, second, &meeting).boxed());
    let tasks: Vec<_> = tasks.collect();
    let run = async {
        let heard = || {
            let mut pools = pools.iter();
            pools.find_map(|pool| pool.heard_of(Lint::PoolDeadlock).pop())
        };
        tokio::select! {
            biased;
            () = until(Lint::PoolDeadlock, || heard().is_some()) => heard().unwrap(),
            ended = join_all(tasks) => panic!("they ended: {ended:?}"),
        }
    };
    let (finding, found) = findings(Box::pin(run)).await;
    assert!(meeting.formed().elapsed() < SOON);
    only(Lint::PoolDeadlock, &found);
    assert_primary(
        &finding,
        &marked("order second", "acquire"),
        "deadlock::takes_in_order",
    );
    assert_certainty(&finding, Certainty::Certain);
    related(&finding, &marked("order first", "begin"));
    for pool in pools {
        assert!(finding.title.contains(pool.name()), "{}", finding.title);
    }
    assert_eq!(said(&finding, "permits"), pools.len().to_string());
    assert_helps(&finding, "in the same order everywhere");
    assert_helps(&finding, "tx.commit().await?");
    finding
}

#[tokio::test]
async fn two_pools_in_opposite_order() {
    ring(&[pool_of(1).await, pool_of(1).await]).await;
}

#[tokio::test]
async fn three_pools_in_a_ring() {
    ring(&[pool_of(1).await, pool_of(1).await, pool_of(1).await]).await;
}

#[tokio::test]
async fn two_pools_in_the_same_order_drain() {
    let (one, other) = (pool_of(1).await, pool_of(1).await);
    let (first, second) = (Meeting::of(1), Meeting::of(1));
    let (_, found) = findings(async {
        tokio::join!(
            takes_in_order(&one, &other, &first),
            takes_in_order(&one, &other, &second)
        )
    })
    .await;
    none(Lint::PoolDeadlock, &found);
}

// Callees.

#[track]
async fn holds_for_callee(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let tx = pool.begin().await?; // @callee first
    meeting.all_here().await;
    takes(pool).await?;
    tx.commit().await
}

#[track]
async fn holds_for_the_callee_of_a_callee(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let tx = pool.begin().await?; // @callees first
    meeting.all_here().await;
    passes_on(pool).await?;
    tx.commit().await
}

#[track]
async fn passes_on(pool: &SqlitePool) -> Result {
    takes(pool).await
}

#[track]
async fn takes(pool: &SqlitePool) -> Result {
    sqlx::query("SELECT 1").execute(pool).await?; // @takes
    Ok(())
}

#[tokio::test]
async fn a_callee_takes_while_its_caller_holds() {
    let pool = pool_of(2).await;
    let meeting = Meeting::of(2);
    let tasks = (0..2).map(|_| holds_for_callee(&pool, &meeting).boxed());
    let (finding, _) = found_among(&pool, &meeting, tasks.collect()).await;
    assert_primary(&finding, &marked("takes", "execute"), "deadlock::takes");
    assert_certainty(&finding, Certainty::Certain);
    let holder = related(&finding, &marked("callee first", "begin"));
    assert_eq!(
        holder.site.function.as_deref(),
        Some("findings::deadlock::holds_for_callee")
    );
    assert_helps(
        &finding,
        "let findings::deadlock::takes take the connection to use, `conn: &mut SqliteConnection`",
    );
    assert_helps(&finding, "tx.commit().await?");
}

#[tokio::test]
async fn the_callee_of_a_callee_takes() {
    let pool = pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![holds_for_the_callee_of_a_callee(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_primary(&finding, &marked("takes", "execute"), "deadlock::takes");
    assert_certainty(&finding, Certainty::Certain);
    related(&finding, &marked("callees first", "begin"));
    let way = related(&finding, &declared("passes_on"));
    assert_eq!(way.label, "called through here");
}

// A stream.

#[track]
async fn queries_for_each_row(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(pool); // @stream
    while let Some(_row) = rows.try_next().await? {
        meeting.all_here().await;
        sqlx::query("SELECT 3").fetch_all(pool).await?; // @row
    }
    Ok(())
}

#[track]
async fn queries_in_a_closure_for_each_row(pool: &SqlitePool, meeting: &Meeting) -> Result {
    sqlx::query("SELECT 1 UNION SELECT 2")
        .fetch(pool) // @stream of closure
        .try_for_each(|_row| async {
            meeting.all_here().await;
            sqlx::query("SELECT 3").fetch_all(pool).await?; // @row of closure
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_stream_is_open_while_its_consumer_queries_the_pool() {
    let pool = pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![queries_for_each_row(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_primary(
        &finding,
        &marked("row", "fetch_all"),
        "deadlock::queries_for_each_row",
    );
    assert_certainty(&finding, Certainty::Likely);
    assert!(finding.cause.contains("row stream"), "{}", finding.cause);
    related(&finding, &marked("stream", "fetch"));
    assert_helps(&finding, "try_collect");
}

#[tokio::test]
async fn a_stream_is_open_while_a_closure_queries_the_pool() {
    let pool = pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![queries_in_a_closure_for_each_row(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_primary(
        &finding,
        &marked("row of closure", "fetch_all"),
        "deadlock::queries_in_a_closure_for_each_row",
    );
    assert_certainty(&finding, Certainty::Likely);
    related(&finding, &marked("stream of closure", "fetch"));
}

// What is likely and no more.

#[track]
async fn through_a_box(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let first = pool.acquire().await?;
    meeting.all_here().await;
    let boxed: Pin<Box<dyn Future<Output = Result> + Send + '_>> = Box::pin(takes(pool));
    boxed.await?;
    drop(first);
    Ok(())
}

#[track]
async fn takes_another_after_lending(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let mut first = pool.acquire().await?; // @lent
    reads(&mut first).await?;
    meeting.all_here().await;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[track]
async fn takes_another_while_lending(pool: &SqlitePool) -> Result {
    let mut first = pool.acquire().await?;
    let lent: &mut SqliteConnection = &mut first;
    let (read, second) = tokio::join!(reads(lent), pool.acquire());
    drop((first, second));
    read
}

#[tokio::test]
async fn after_it_was_lent_it_is_likely() {
    let pool = pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![takes_another_after_lending(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_certainty(&finding, Certainty::Likely);
    assert!(
        finding.cause.contains("is lent to plain sqlx"),
        "{}",
        finding.cause
    );
}

/// Something may be done with what is lent while another is waited for.
#[tokio::test]
async fn while_it_is_lent_nothing_is_told() {
    let pool = connect(options(1).acquire_timeout(A_WHILE)).await;
    let (ended, found) = ends(takes_another_while_lending(&pool)).await;
    ended.unwrap();
    none(Lint::PoolDeadlock, &found);
}

#[tokio::test]
async fn through_a_boxed_future_it_is_likely() {
    let pool = pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![through_a_box(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_certainty(&finding, Certainty::Likely);
    assert!(
        finding.cause.contains("stands between"),
        "{}",
        finding.cause
    );
}

/// Runs a program that comes to its end, and gives what was found in it.
async fn ends<T>(future: impl Future<Output = T>) -> (T, Vec<Finding>) {
    let (output, found) = findings(timeout(PATIENCE, Box::pin(future))).await;
    (output.expect("it ends by itself"), found)
}

fn never_certain(found: &[Finding]) {
    for finding in found {
        assert!(
            finding.lint != Lint::PoolDeadlock || finding.certainty != Certainty::Certain,
            "not certain at all:\n{}",
            finding.render()
        );
    }
}

#[track]
async fn gives_up_the_acquire(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = timeout(A_WHILE, pool.acquire()).await;
    assert!(second.is_err());
    drop(first);
    Ok(())
}

#[track]
async fn gives_up_the_callee(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = timeout(A_WHILE, takes(pool)).await;
    assert!(second.is_err());
    drop(first);
    Ok(())
}

#[track]
async fn selects(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    tokio::select! {
        second = pool.acquire() => panic!("{second:?}"),
        () = sleep(A_WHILE) => {}
    }
    drop(first);
    Ok(())
}

#[track]
async fn gives_up_by_a_future_of_its_own(pool: &SqlitePool) -> Result {
    struct Impatient<F>(F, Pin<Box<tokio::time::Sleep>>);
    impl<F: Future + Unpin> Future for Impatient<F> {
        type Output = Option<F::Output>;
        fn poll(
            self: Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Self::Output> {
            let this = self.get_mut();
            if this.1.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(None);
            }
            Pin::new(&mut this.0).poll(cx).map(Some)
        }
    }
    let first = pool.acquire().await?;
    let second = Impatient(Box::pin(pool.acquire()), Box::pin(sleep(A_WHILE))).await;
    assert!(second.is_none());
    drop(first);
    Ok(())
}

#[tokio::test]
async fn what_gives_up_waiting_is_never_certain() {
    let pool = pool_of(1).await;
    for task in [
        gives_up_the_acquire(&pool).boxed(),
        gives_up_the_callee(&pool).boxed(),
        selects(&pool).boxed(),
        gives_up_by_a_future_of_its_own(&pool).boxed(),
    ] {
        let (ended, found) = ends(task).await;
        ended.unwrap();
        never_certain(&found);
    }
}

// What drains is left alone.

#[track]
async fn sleeps_beside_a_waiter(pool: &SqlitePool) -> Result {
    tokio::try_join!(
        async {
            let held = pool.acquire().await?;
            sleep(A_WHILE).await;
            drop(held);
            Ok(())
        },
        async {
            let held = pool.acquire().await?;
            drop(held);
            Ok(())
        }
    )
    .map(|_| ())
}

#[track]
async fn sleeps_beside_a_callee(pool: &SqlitePool) -> Result {
    futures::try_join!(
        async {
            let held = pool.acquire().await?;
            sleep(A_WHILE).await;
            drop(held);
            Ok(())
        },
        takes(pool)
    )
    .map(|_| ())
}

#[track]
async fn holds_and_sleeps(pool: &SqlitePool) -> Result {
    let held = pool.begin().await?;
    sleep(A_WHILE).await;
    held.rollback().await
}

#[track]
async fn holds_in_a_sibling(pool: &SqlitePool) -> Result {
    tokio::try_join!(holds_and_sleeps(pool), takes(pool)).map(|_| ())
}

#[track]
async fn holds_in_many_siblings(pool: &SqlitePool) -> Result {
    let all = (0..6).map(|_| holds_then_takes_again_unseen(pool.clone()));
    join_all(all).await.into_iter().collect()
}

/// Without the attribute, so that its scope is its caller's.
async fn holds_then_takes_again_unseen(pool: SqlitePool) -> Result {
    for _ in 0..2 {
        let held = pool.acquire().await?;
        sleep(A_WHILE / 4).await;
        drop(held);
    }
    Ok(())
}

#[track]
async fn holds_in_a_spawned_task(pool: &SqlitePool) -> Result {
    let theirs = pool.clone();
    let (tell, told) = oneshot::channel();
    let task = tokio::spawn(
        async move {
            let held = theirs.acquire().await?;
            tell.send(()).unwrap();
            sleep(A_WHILE).await;
            drop(held);
            Ok::<_, sqlx::Error>(())
        }
        .in_current_scope(),
    );
    told.await.unwrap();
    let held = pool.acquire().await?;
    drop(held);
    task.await.unwrap()
}

#[track]
async fn moves_it_to_another_task(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let task = tokio::spawn(async move {
        sleep(A_WHILE).await;
        drop(first);
    });
    let second = pool.acquire().await?;
    drop(second);
    task.await.unwrap();
    Ok(())
}

#[track]
async fn moves_it_to_a_branch(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let branch = async move {
        sleep(A_WHILE).await;
        drop(first);
        Ok(())
    };
    tokio::try_join!(branch, takes(pool)).map(|_| ())
}

#[track]
async fn sends_it_away(
    pool: &SqlitePool,
    to: tokio::sync::mpsc::UnboundedSender<PoolConnection<Sqlite>>,
) -> Result {
    let first = pool.acquire().await?;
    assert!(to.send(first).is_ok());
    let second = pool.acquire().await?;
    drop(second);
    Ok(())
}

#[tokio::test]
async fn branches_and_tasks_do_not_hold_for_each_other() {
    let pool = pool_of(1).await;
    for task in [
        sleeps_beside_a_waiter(&pool).boxed(),
        sleeps_beside_a_callee(&pool).boxed(),
        holds_in_a_sibling(&pool).boxed(),
        holds_in_many_siblings(&pool).boxed(),
        holds_in_a_spawned_task(&pool).boxed(),
        moves_it_to_another_task(&pool).boxed(),
        moves_it_to_a_branch(&pool).boxed(),
    ] {
        let (ended, found) = ends(task).await;
        ended.unwrap();
        none(Lint::PoolDeadlock, &found);
    }
}

#[tokio::test]
async fn what_was_sent_away_is_never_certain() {
    let pool = pool_of(1).await;
    let (to, mut from) = tokio::sync::mpsc::unbounded_channel();
    let other = async {
        let sent = from.recv().await;
        sleep(A_WHILE).await;
        drop(sent);
    };
    let ((ended, ()), found) = ends(async { tokio::join!(sends_it_away(&pool, to), other) }).await;
    ended.unwrap();
    never_certain(&found);
}

#[tokio::test]
async fn branches_without_the_attribute_are_never_certain() {
    let pool = pool_of(1).await;
    let (_, found) = ends(async {
        tokio::join!(
            async {
                let held = pool.acquire().await;
                sleep(A_WHILE).await;
                drop(held);
            },
            async { pool.acquire().await.map(drop) },
        )
    })
    .await;
    never_certain(&found);
}

/// One permit of two is held by somebody who is not waiting, while the other's holder waits.
async fn beside<F: Future>(pool: &TestPool, holder: F) -> F::Output {
    let meeting = Meeting::of(1);
    let (held, found) = ends(async {
        let waiter = async {
            pool.has_handles(1).await;
            takes_two(pool, &meeting).await
        };
        let (held, second) = tokio::join!(holder, waiter);
        second.unwrap();
        held
    })
    .await;
    none(Lint::PoolDeadlock, &found);
    held
}

#[track]
async fn is_busy(pool: &SqlitePool) -> Result {
    let mut held = pool.acquire().await?;
    let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT max(i) FROM n";
    sqlx::query(long).execute(&mut *held).await?;
    Ok(())
}

#[track]
async fn lends(pool: &SqlitePool) -> Result {
    let mut held = pool.acquire().await?;
    let lent: &mut SqliteConnection = &mut held;
    sleep(A_WHILE).await;
    sqlx::Connection::ping(lent).await
}

#[track]
async fn reserves(pool: &SqlitePool) -> Result {
    let held = pool.acquire().await?.long_lived("a listener");
    takes_two(pool, &Meeting::of(1)).await?;
    drop(held);
    Ok(())
}

#[track]
async fn hands_out(pool: &SqlitePool) -> sqlx::Result<PoolConnection<Sqlite>> {
    pool.acquire().await
}

#[tokio::test]
async fn beside_a_holder_that_does_not_wait() {
    let pool = pool_of(2).await;
    beside(&pool, holds_and_sleeps(&pool)).await.unwrap();
}

#[tokio::test]
async fn beside_a_busy_holder() {
    let pool = pool_of(2).await;
    beside(&pool, is_busy(&pool)).await.unwrap();
}

#[tokio::test]
async fn beside_a_lent_connection() {
    let pool = pool_of(2).await;
    beside(&pool, lends(&pool)).await.unwrap();
}

#[tokio::test]
async fn beside_a_handle_without_a_scope() {
    let pool = pool_of(2).await;
    let mut kept = Some(hands_out(&pool).await.unwrap());
    beside(&pool, async {
        sleep(A_WHILE).await;
        kept.take();
    })
    .await;
}

#[tokio::test]
async fn a_reserved_handle_waits_for_nobody() {
    let pool = connect(options(2).acquire_timeout(A_WHILE)).await;
    let (ended, found) = ends(reserves(&pool)).await;
    assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)));
    none(Lint::PoolDeadlock, &found);
}

#[tokio::test]
async fn a_permit_is_free() {
    let pool = pool_of(3).await;
    let meeting = Meeting::of(2);
    let (ended, found) =
        ends(async { tokio::join!(takes_two(&pool, &meeting), takes_two(&pool, &meeting)) }).await;
    ended.0.unwrap();
    ended.1.unwrap();
    none(Lint::PoolDeadlock, &found);
}

#[tokio::test]
async fn many_who_take_one_each_only_queue() {
    let pool = pool_of(2).await;
    let (ended, found) = ends(join_all((0..20).map(|_| holds_in_a_hurry(&pool)))).await;
    for ended in ended {
        ended.unwrap();
    }
    none(Lint::PoolDeadlock, &found);
}

#[track]
async fn holds_in_a_hurry(pool: &SqlitePool) -> Result {
    let held = pool.begin().await?;
    sleep(Duration::from_millis(60)).await;
    held.rollback().await
}

#[tokio::test]
async fn it_is_told_before_the_acquire_times_out_and_once() {
    let pool = connect(options(1).acquire_timeout(Duration::from_secs(2))).await;
    let meeting = Meeting::of(1);
    let (ended, found) = ends(takes_two(&pool, &meeting)).await;
    assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)));
    let deadlock = only(Lint::PoolDeadlock, &found);
    assert_certainty(deadlock, Certainty::Certain);
    let timed_out = only(Lint::PoolTimeout, &found);
    assert_eq!(timed_out.verdict, Some(Verdict::Deadlock));
    assert_certainty(timed_out, Certainty::Certain);
    related(timed_out, &marked("two first", "acquire"));
}

// Levels.

async fn spawned(
    pool: &TestPool,
    tasks: usize,
) -> Vec<std::result::Result<Result, tokio::task::JoinError>> {
    let meeting = Meeting::of(tasks);
    let pool = SqlitePool::clone(pool);
    let spawned = (0..tasks).map(|_| {
        let (pool, meeting) = (pool.clone(), Arc::clone(&meeting));
        tokio::spawn(async move { holds_for_callee(&pool, &meeting).await })
    });
    timeout(PATIENCE, join_all(spawned.collect::<Vec<_>>()))
        .await
        .expect("they end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deny_panics_where_the_last_one_waits_and_frees_the_others() {
    note_panics();
    let pool = connect(options(3).acquire_timeout(if cfg!(debug_assertions) {
        PATIENCE
    } else {
        Duration::from_secs(1)
    }))
    .await;
    let ended = spawned(&pool, 3).await;
    if !cfg!(debug_assertions) {
        return;
    }
    let panicked = ended.iter().filter(|ended| ended.is_err()).count();
    assert_eq!(panicked, 1, "{ended:?}");
    let went_on = ended.iter().filter(|ended| matches!(ended, Ok(Ok(()))));
    assert_eq!(went_on.count(), 2, "{ended:?}");
    let panics = panics_about(pool.name());
    let [(place, message)] = &panics[..] else {
        panic!("{panics:#?}");
    };
    assert_eq!(*place, marked("takes", "execute"));
    assert!(
        message.contains("pool_deadlock") && message.contains("= help:"),
        "{message}"
    );
    let first = marked("callee first", "begin");
    let first = format!("{}:{}:{}", first.file, first.line, first.column);
    assert!(message.contains(&first), "{message}");
}

#[track(allow(pool_deadlock, reason = "a test of silence"))]
async fn is_allowed(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let first = pool.acquire().await?;
    meeting.all_here().await;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn allow_is_silent() {
    let pool = connect(options(1).acquire_timeout(A_WHILE)).await;
    let meeting = Meeting::of(1);
    let (ended, found) = ends(is_allowed(&pool, &meeting)).await;
    assert!(ended.is_err());
    none(Lint::PoolDeadlock, &found);
}

#[track(warn(pool_deadlock, pool_timeout))]
async fn is_warned(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[test]
fn warn_logs_once() {
    let test = "deadlock::warn_logs_once";
    let printed = in_child(test, &[], |runtime| {
        runtime.block_on(async {
            let pool = connect(options(1).acquire_timeout(Duration::from_secs(1))).await;
            for _ in 0..2 {
                is_warned(&pool).await.unwrap_err();
            }
            assert_eq!(pool.heard_of(Lint::PoolDeadlock).len(), 2);
        });
    });
    let logged = printed.err.matches("[pool_deadlock]").count();
    if cfg!(debug_assertions) {
        assert_eq!(logged, 1, "{}", printed.err);
    }
    assert!(!printed.err.contains("panicked"), "{}", printed.err);
}

/// A deadlock that one panic has broken, and that the next in the queue forms anew, is told and broken anew.
///
/// On one thread: who is seen waiting stands in the queue already.
#[tokio::test]
async fn one_after_the_other() {
    if !cfg!(debug_assertions) {
        return;
    }
    note_panics();
    let pool = pool_of(2).await;
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let pool = SqlitePool::clone(&pool);
            tokio::spawn(async move { takes_one_and_another(&pool).await })
        })
        .collect();
    // All four stand in the queue for their first: each second one stands behind them.
    pool.has_waiting(4).await;
    drop(held);
    let ended = timeout(PATIENCE, join_all(tasks)).await;
    let ended = ended.expect("each deadlock is broken");
    let panicked = ended.iter().filter(|ended| ended.is_err()).count();
    assert_eq!(
        panicked, 3,
        "the last one has the pool for itself: {ended:?}"
    );
    assert_eq!(panics_about(pool.name()).len(), panicked);
}

#[track]
async fn takes_one_and_another(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_a_thousand_tasks() {
    let pool = pool_of(5).await;
    let meeting = Meeting::of(5);
    let run = async {
        let tasks: Vec<_> = (0..1000)
            .map(|_| {
                let (pool, meeting) = (SqlitePool::clone(&pool), Arc::clone(&meeting));
                let task = async move { takes_one_by_one(&pool, &meeting).await };
                tokio::spawn(task.in_current_scope())
            })
            .collect();
        let heard = pool.hears(Lint::PoolDeadlock).await;
        for task in &tasks {
            task.abort();
        }
        join_all(tasks).await;
        heard
    };
    let ((when, finding), _) = findings(Box::pin(run)).await;
    let soon = when.saturating_duration_since(meeting.formed());
    println!("told {soon:?} after it formed");
    assert!(soon < SOON, "told only {soon:?} after it formed");
    check_of_size(&finding, 5);
}
