//! `nested_acquire`: a permit is taken while holding one of the same pool, here or further out. Branches, tasks and other
//! pools hold for nobody.

use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::leash::testing::findings;
use sqlx::leash::{self, Certainty, Finding, HandleExt, Level, Lint, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::{Acquire, Sqlite, SqlitePool, track};
use tokio::sync::Barrier;
use tokio::time::{Duration, sleep};

use crate::common::{
    TestPool, assert_certainty, assert_helps, assert_primary, declared, marked, none, nothing,
    only, pool_of, related, said,
};

type Result = sqlx::Result<()>;

/// What is found in this, which must go well.
async fn found(future: impl Future<Output = Result>) -> Vec<Finding> {
    let (ended, found) = findings(Box::pin(future)).await;
    ended.unwrap();
    found
}

/// The only finding in this: of `nested_acquire`, at the `word` on the line marked `<marker> second`, where something is held
/// from the `holds` on the line marked `<marker> first`.
async fn nests(marker: &str, future: impl Future<Output = Result>) -> Finding {
    let found = found(future).await;
    let finding = only(Lint::NestedAcquire, &found).clone();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(finding.level, Level::Warn);
    let second = marker_of(marker, "second");
    assert_eq!(
        (finding.primary.file.as_str(), finding.primary.line),
        (file!(), second),
        "{}",
        finding.render()
    );
    assert_eq!(
        (
            finding.related[0].site.file.as_str(),
            finding.related[0].site.line
        ),
        (file!(), marker_of(marker, "first")),
        "{}",
        finding.render()
    );
    finding
}

/// The line marked so.
#[track_caller]
fn marker_of(marker: &str, which: &str) -> u32 {
    marked(&format!("{marker} {which}"), "pool").line
}

async fn is_silent(future: impl Future<Output = Result>) {
    nothing(&found(future).await);
}

// What is found.

#[track]
async fn takes_two(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?; // @two first
    let second = pool.acquire().await?; // @two second
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn in_one_function() {
    let pool = pool_of(5).await;
    let finding = nests("two", takes_two(&pool)).await;
    assert_primary(
        &finding,
        &marked("two second", "acquire"),
        "nested::takes_two",
    );
    assert_certainty(&finding, Certainty::Certain);
    let first = related(&finding, &marked("two first", "acquire"));
    assert_eq!(first.label, "a connection is held from here on");
    assert_eq!(said(&finding, "tasks at once (Tn)"), "1");
    assert_eq!(said(&finding, "connections per task (Cm)"), "2");
    assert_eq!(said(&finding, "minimum safe size Tn × (Cm − 1) + 1 ="), "2");
    assert_eq!(said(&finding, "pool size"), "5");
    assert_helps(&finding, "&mut *conn");
    assert_helps(&finding, "drop(conn)");
}

#[track]
async fn holds(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @callee first
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    takes(pool).await?;
    tx.commit().await
}

#[track]
async fn takes(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @callee second
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn in_a_callee() {
    let pool = pool_of(5).await;
    let finding = nests("callee", holds(&pool)).await;
    assert_primary(
        &finding,
        &marked("callee second", "acquire"),
        "nested::takes",
    );
    assert_certainty(&finding, Certainty::Certain);
    let first = related(&finding, &marked("callee first", "begin"));
    assert_eq!(first.label, "a transaction is held from here on");
    assert_eq!(
        first.site.function.as_deref(),
        Some("findings::nested::holds")
    );
    assert_eq!(
        finding.title,
        format!(
            "findings::nested::takes takes a connection of pool {} while findings::nested::holds holds a transaction of it",
            pool.name()
        )
    );
    assert_helps(
        &finding,
        "let findings::nested::takes take the connection to use, `conn: &mut SqliteConnection`, and call it with `&mut *tx`",
    );
    assert_helps(&finding, "tx.commit().await?");
}

#[track]
async fn holds_further_out(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @further first
    passes_on(pool).await?;
    drop(conn);
    Ok(())
}

#[track]
async fn passes_on(pool: &SqlitePool) -> Result {
    passes_further(pool).await
}

#[track]
async fn passes_further(pool: &SqlitePool) -> Result {
    takes_further_in(pool).await
}

#[track]
async fn takes_further_in(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?; // @further second
    tx.rollback().await
}

#[tokio::test]
async fn in_the_callee_of_a_callee() {
    let pool = pool_of(5).await;
    let finding = nests("further", holds_further_out(&pool)).await;
    assert_certainty(&finding, Certainty::Certain);
    let way: Vec<_> = finding.related[1..]
        .iter()
        .map(|related| (related.label.as_str(), related.site.line))
        .collect();
    assert_eq!(
        way,
        [
            ("called through here", declared("passes_on").line),
            ("called through here", declared("passes_further").line),
        ]
    );
}

#[track]
async fn queries_the_pool(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @query first
    sqlx::query("SELECT 1").execute(pool).await?; // @query second
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn by_a_query_while_a_connection_is_held() {
    let pool = pool_of(5).await;
    let finding = nests("query", queries_the_pool(&pool)).await;
    assert_primary(
        &finding,
        &marked("query second", "execute"),
        "nested::queries_the_pool",
    );
    assert_certainty(&finding, Certainty::Certain);
    assert_helps(&finding, "`&mut *conn` in place of the pool");
}

#[track]
async fn queries_for_each_row(pool: &SqlitePool) -> Result {
    let mut rows = sqlx::query("SELECT 1").fetch(pool);
    while let Some(_row) = rows.try_next().await? {
        sqlx::query("SELECT 2").fetch_all(pool).await?; // @row
    }
    Ok(())
}

#[tokio::test]
async fn while_a_stream_is_open() {
    let pool = pool_of(5).await;
    let found = found(queries_for_each_row(&pool)).await;
    let finding = only(Lint::NestedAcquire, &found);
    assert_primary(
        finding,
        &marked("row", "fetch_all"),
        "nested::queries_for_each_row",
    );
    assert_certainty(finding, Certainty::Certain);
    assert_eq!(
        finding.related[0].label,
        "a row stream is held from here on"
    );
    assert_helps(finding, "try_collect");
}

#[track]
async fn holds_in_a_variable_that_moves(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    let kept = Some(conn);
    takes(pool).await?;
    drop(kept);
    Ok(())
}

#[track]
async fn hands_out(pool: &SqlitePool) -> sqlx::Result<PoolConnection<Sqlite>> {
    pool.acquire().await
}

#[track]
async fn holds_what_it_was_handed(pool: &SqlitePool) -> Result {
    let conn = hands_out(pool).await?;
    takes(pool).await?;
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn what_was_passed_on_is_likely() {
    let pool = pool_of(5).await;
    let found = found(holds_in_a_variable_that_moves(&pool)).await;
    assert_certainty(only(Lint::NestedAcquire, &found), Certainty::Likely);
}

#[tokio::test]
async fn what_a_callee_gave_is_held_where_it_stays() {
    let pool = pool_of(5).await;
    let found = found(holds_what_it_was_handed(&pool)).await;
    assert_certainty(only(Lint::NestedAcquire, &found), Certainty::Certain);
}

#[track]
async fn hands_on_what_it_was_handed(pool: &SqlitePool) -> Result {
    let (queue, mut queued) = tokio::sync::mpsc::channel(2);
    for _ in 0..2 {
        let conn = hands_out(pool).await?;
        queue.send(conn).await.expect("it is open");
    }
    drop(queued.recv().await);
    drop(queued.recv().await);
    Ok(())
}

#[tokio::test]
async fn what_a_callee_gave_and_went_on_is_nobodys() {
    let pool = pool_of(5).await;
    nothing(&found(hands_on_what_it_was_handed(&pool)).await);
}

#[track]
async fn holds_around_a_join(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @around first
    tokio::try_join!(takes_within(pool), async { Ok(()) })?;
    drop(conn);
    Ok(())
}

#[track]
async fn takes_within(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @around second
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn what_is_held_around_a_join_is_held_for_its_branches() {
    let pool = pool_of(5).await;
    let finding = nests("around", holds_around_a_join(&pool)).await;
    assert_certainty(&finding, Certainty::Certain);
}

#[track]
async fn holds_within_a_block(pool: &SqlitePool) -> Result {
    let nested = async {
        let first = pool.acquire().await?; // @block first
        let second = pool.acquire().await?; // @block second
        drop(second);
        drop(first);
        Ok(())
    };
    nested.await
}

#[tokio::test]
async fn within_one_async_block() {
    let pool = pool_of(5).await;
    let finding = nests("block", holds_within_a_block(&pool)).await;
    // It might run many times side by side.
    assert_certainty(&finding, Certainty::Likely);
}

#[track]
async fn holds_within_a_named_scope(pool: &SqlitePool) -> Result {
    leash::scope("job", async {
        let first = pool.acquire().await?; // @scope first
        let second = pool.acquire().await?; // @scope second
        drop(second);
        drop(first);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn within_a_named_scope() {
    let pool = pool_of(5).await;
    nests("scope", holds_within_a_named_scope(&pool)).await;
}

#[track]
async fn tries_first(pool: &SqlitePool) -> Result {
    let first = pool.try_acquire().expect("one is idle"); // @tried first
    let second = pool.acquire().await?; // @tried second
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_was_tried_for_is_held_as_well() {
    let pool = pool_of(5).await;
    nests("tried", tries_first(&pool)).await;
}

// The numbers.

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

/// The finding of the third permit with the largest numbers.
fn of_third(pool: &TestPool) -> Finding {
    let mut found = pool.heard_of(Lint::NestedAcquire);
    found.retain(|finding| finding.primary.line == marked("third", "acquire").line);
    found.pop().expect("it was found")
}

#[tokio::test]
async fn the_numbers_are_those_that_were_observed() {
    let pool = pool_of(20).await;
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
    assert!(
        finding.notes[0].ends_with("7 are enough, and this pool has 20"),
        "{}",
        finding.notes[0]
    );
}

#[tokio::test]
async fn a_pool_below_the_safe_size_is_told_so() {
    let pool = pool_of(6).await;
    let meet = Arc::new(Barrier::new(3));
    // One pool of six serves two permits to three tasks; the third permits would be seven to nine.
    let tasks = (0..3).map(|_| {
        let (pool, meet) = (SqlitePool::clone(&pool), Arc::clone(&meet));
        let task = async move {
            let took = takes_two_and_meets(&pool, &meet).await;
            took.unwrap();
        };
        tokio::spawn(task)
    });
    join_all(tasks.collect::<Vec<_>>()).await;
    let found = pool.heard_of(Lint::NestedAcquire);
    let last = found.last().unwrap();
    assert_eq!(said(last, "minimum safe size Tn × (Cm − 1) + 1 ="), "4");

    let pool = pool_of(3).await;
    let one = takes_two_and_meets(&pool, &meet);
    let others = [
        holds_one(&pool, &meet).boxed(),
        holds_one(&pool, &meet).boxed(),
    ];
    // Three tasks and two permits each: four are needed, and there are three. Nobody takes them all at once here.
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
    let pool = pool_of(20).await;
    found(carries(&pool)).await;
    assert_eq!(said(&of_third(&pool), "tasks at once (Tn)"), "2");
}

// What is left alone.

#[track]
async fn only_tries(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.try_acquire();
    let third = pool.try_begin().await?;
    drop(third);
    drop(second);
    drop(first);
    Ok(())
}

#[track]
async fn drops_first(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    drop(first);
    takes(pool).await
}

#[track]
async fn drops_first_with_its_block(pool: &SqlitePool) -> Result {
    {
        let _first = pool.acquire().await?;
    }
    takes(pool).await
}

#[track]
async fn commits_first(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    tx.commit().await?;
    takes(pool).await
}

#[track]
async fn rolls_back_first(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    tx.rollback().await?;
    takes(pool).await
}

#[track]
async fn closes_first(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    conn.close().await?;
    takes(pool).await
}

#[track]
async fn detaches_first(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let detached = first.detach();
    takes(pool).await?;
    drop(detached);
    Ok(())
}

#[track]
async fn reserves_first(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?.long_lived("a listener");
    takes(pool).await?;
    drop(first);
    Ok(())
}

#[track]
async fn one_after_the_other(pool: &SqlitePool) -> Result {
    for _ in 0..3 {
        sqlx::query("SELECT 1").execute(pool).await?;
        takes(pool).await?;
    }
    Ok(())
}

#[track]
async fn hands_down(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    uses(&mut tx).await?;
    let mut savepoint = tx.begin().await?;
    uses(&mut savepoint).await?;
    savepoint.commit().await?;
    tx.commit().await
}

#[track]
async fn uses(conn: &mut sqlx::SqliteConnection) -> Result {
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    Ok(())
}

#[track]
async fn reads_the_rows_first(pool: &SqlitePool) -> Result {
    let rows: Vec<_> = sqlx::query("SELECT 1").fetch(pool).try_collect().await?;
    for _row in rows {
        sqlx::query("SELECT 2").execute(pool).await?;
    }
    Ok(())
}

#[tokio::test]
async fn one_at_a_time() {
    let pool = pool_of(5).await;
    let mut tasks: Vec<BoxFuture<'_, Result>> = Vec::new();
    tasks.push(only_tries(&pool).boxed());
    tasks.push(drops_first(&pool).boxed());
    tasks.push(drops_first_with_its_block(&pool).boxed());
    tasks.push(commits_first(&pool).boxed());
    tasks.push(rolls_back_first(&pool).boxed());
    tasks.push(closes_first(&pool).boxed());
    tasks.push(detaches_first(&pool).boxed());
    tasks.push(reserves_first(&pool).boxed());
    tasks.push(one_after_the_other(&pool).boxed());
    tasks.push(hands_down(&pool).boxed());
    tasks.push(reads_the_rows_first(&pool).boxed());
    for task in tasks {
        is_silent(task).await;
    }
}

#[track]
async fn holds_of_another(pool: &SqlitePool, other: &SqlitePool) -> Result {
    let tx = other.begin().await?;
    takes(pool).await?;
    sqlx::query("SELECT 1").execute(pool).await?;
    tx.rollback().await
}

#[tokio::test]
async fn another_pool() {
    is_silent(holds_of_another(&*pool_of(5).await, &*pool_of(5).await)).await;
}

/// So long, two branches hold beside each other.
const A_MOMENT: Duration = Duration::from_millis(30);

#[track]
async fn holds_for_a_moment(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    sleep(A_MOMENT).await;
    drop(conn);
    Ok(())
}

#[track]
async fn later(pool: &SqlitePool) -> Result {
    sleep(A_MOMENT / 2).await;
    takes(pool).await
}

#[track]
async fn joins_functions(pool: &SqlitePool) -> Result {
    tokio::try_join!(holds_for_a_moment(pool), takes(pool), later(pool))?;
    futures::try_join!(holds_for_a_moment(pool), takes(pool), later(pool))?;
    futures::future::try_join(holds_for_a_moment(pool), later(pool)).await?;
    Ok(())
}

#[track]
async fn joins_blocks(pool: &SqlitePool) -> Result {
    let (one, other) = tokio::join!(
        async {
            let conn = pool.acquire().await?;
            sleep(A_MOMENT).await;
            drop(conn);
            Ok(())
        },
        async {
            sleep(A_MOMENT / 2).await;
            let conn = pool.acquire().await?;
            drop(conn);
            takes(pool).await
        }
    );
    one.and(other)
}

#[track]
async fn joins_blocks_made_before(pool: &SqlitePool) -> Result {
    let one = async {
        let mut tx = pool.begin().await?;
        sleep(A_MOMENT).await;
        sqlx::query("SELECT 1").execute(&mut *tx).await?;
        tx.commit().await
    };
    let other = async {
        sleep(A_MOMENT / 2).await;
        sqlx::query("SELECT 1").execute(pool).await?;
        Ok(())
    };
    futures::future::try_join(one, other).await.map(|_| ())
}

#[track]
async fn joins_statements(pool: &SqlitePool) -> Result {
    let (one, other, third) = tokio::join!(
        sqlx::query("SELECT 1").fetch_one(pool),
        sqlx::query("SELECT 2").fetch_all(pool),
        sqlx::query("SELECT 3").execute(pool)
    );
    one.map(drop).and(other.map(drop)).and(third.map(drop))
}

#[track]
async fn joins_acquires(pool: &SqlitePool) -> Result {
    let (one, other) = tokio::try_join!(pool.acquire(), pool.acquire())?;
    drop(one);
    drop(other);
    let (one, other) = futures::future::try_join(pool.begin(), pool.acquire()).await?;
    drop(one);
    drop(other);
    Ok(())
}

#[track]
async fn joins_all(pool: &SqlitePool) -> Result {
    for ended in join_all((0..3).map(|_| holds_for_a_moment(pool))).await {
        ended?;
    }
    let closures = (0..3).map(async |_| {
        let conn = pool.acquire().await?;
        sleep(A_MOMENT).await;
        drop(conn);
        Ok::<_, sqlx::Error>(())
    });
    join_all(closures).await.into_iter().collect()
}

#[track]
async fn joins_unordered(pool: &SqlitePool) -> Result {
    let unordered: FuturesUnordered<_> = (0..3).map(|_| holds_for_a_moment(pool)).collect();
    unordered.try_collect::<()>().await?;
    let unordered: FuturesUnordered<_> = (0..3).map(|_| unseen(pool)).collect();
    unordered.try_collect::<()>().await
}

/// Without the attribute, so that what it holds is its caller's.
async fn unseen(pool: &SqlitePool) -> Result {
    for _ in 0..2 {
        let conn = pool.acquire().await?;
        sleep(A_MOMENT).await;
        drop(conn);
    }
    Ok(())
}

#[track]
async fn joins_unseen(pool: &SqlitePool) -> Result {
    tokio::try_join!(unseen(pool), unseen(pool)).map(|_| ())
}

#[track]
async fn buffers(pool: &SqlitePool) -> Result {
    futures::stream::iter(0..6)
        .map(|_| async move {
            let conn = pool.acquire().await?;
            sleep(A_MOMENT).await;
            drop(conn);
            Ok::<_, sqlx::Error>(())
        })
        .buffer_unordered(3)
        .try_collect::<()>()
        .await
}

#[track]
async fn buffers_one_after_the_other(pool: &SqlitePool) -> Result {
    futures::stream::iter(0..6)
        .map(|n| async move {
            let conn = pool.acquire().await?;
            drop(conn);
            sleep(A_MOMENT / 6 * n).await;
            let conn = pool.acquire().await?;
            sleep(A_MOMENT).await;
            drop(conn);
            Ok::<_, sqlx::Error>(())
        })
        .buffer_unordered(3)
        .try_collect::<()>()
        .await
}

#[track]
async fn spawns(pool: &SqlitePool) -> Result {
    let theirs = pool.clone();
    let first = pool.acquire().await?;
    let plain = tokio::spawn(async move { takes(&theirs).await });
    let theirs = pool.clone();
    let carried = tokio::spawn(async move { takes(&theirs).await }.in_current_scope());
    plain.await.unwrap()?;
    carried.await.unwrap()?;
    drop(first);
    Ok(())
}

#[track]
async fn gives_it_to_a_task(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let task = tokio::spawn(async move {
        sleep(A_MOMENT).await;
        drop(first);
    });
    takes(pool).await?;
    task.await.unwrap();
    Ok(())
}

#[tokio::test]
async fn branches_and_tasks_do_not_hold_for_each_other() {
    let pool = pool_of(9).await;
    let mut tasks: Vec<BoxFuture<'_, Result>> = Vec::new();
    tasks.push(joins_functions(&pool).boxed());
    tasks.push(joins_blocks(&pool).boxed());
    tasks.push(joins_blocks_made_before(&pool).boxed());
    tasks.push(joins_statements(&pool).boxed());
    tasks.push(joins_acquires(&pool).boxed());
    tasks.push(joins_all(&pool).boxed());
    tasks.push(joins_unordered(&pool).boxed());
    tasks.push(joins_unseen(&pool).boxed());
    tasks.push(buffers(&pool).boxed());
    tasks.push(buffers_one_after_the_other(&pool).boxed());
    tasks.push(spawns(&pool).boxed());
    tasks.push(gives_it_to_a_task(&pool).boxed());
    for task in tasks {
        is_silent(task).await;
    }
}

#[tokio::test]
async fn the_same_without_the_attribute() {
    let pool = pool_of(9).await;
    let pool: &SqlitePool = &pool;
    is_silent(async { tokio::try_join!(holds_for_a_moment(pool), later(pool)).map(|_| ()) }).await;
    is_silent(async {
        let unordered: FuturesUnordered<_> = (0..3).map(|_| unseen(pool)).collect();
        unordered.try_collect::<()>().await
    })
    .await;
    is_silent(async {
        let (one, other) = tokio::join!(
            sqlx::query("SELECT 1").fetch_one(pool),
            sqlx::query("SELECT 2").fetch_one(pool)
        );
        one.map(drop).and(other.map(drop))
    })
    .await;
}

// Levels.

#[track(allow(nested_acquire, reason = "a test of silence"))]
async fn is_allowed(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn allow_is_silent() {
    let pool = pool_of(5).await;
    is_silent(is_allowed(&pool)).await;
    none(Lint::NestedAcquire, &pool.heard());
}

#[track(deny(nested_acquire))]
async fn is_denied(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.acquire().await?; // @denied
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn deny_panics_at_the_second_acquire() {
    crate::common::note_panics();
    let pool = pool_of(5).await;
    let ended = std::panic::AssertUnwindSafe(is_denied(&pool))
        .catch_unwind()
        .await;
    assert_eq!(ended.is_err(), cfg!(debug_assertions));
    if cfg!(debug_assertions) {
        let panics = crate::common::panics_about(pool.name());
        assert_eq!(panics.len(), 1);
        assert_eq!(panics[0].0, marked("denied", "acquire"));
        // Both are given back.
        let all = join_all((0..5).map(|_| pool.acquire())).await;
        assert!(all.iter().all(std::result::Result::is_ok));
    }
}
