//! The spans of acquires that wait.

use std::time::Duration;

use futures::future::join_all;
use leash_tests::{in_child, until};
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqlitePool, track};
use tracing::{Instrument, info_span};

use super::{Exported, attribute, time};
use crate::common::{TestPool, connect, full_name, marked, pool_of};

/// The spans of the waits of `waits_for_it` that have ended. An acquire that connects or pings waits as well.
fn its_waits(exported: &Exported) -> Vec<SpanData> {
    let name = Some(full_name("spans::waits::waits_for_it"));
    let mut all = exported.all();
    all.retain(|it| it.name == "acquire" && attribute(it, "code.function.name") == name);
    all
}

/// The span of its wait in its call with this number.
async fn its_wait(exported: &Exported, call: usize) -> SpanData {
    until("the wait ends", || its_waits(exported).len() > call).await;
    let mut all = its_waits(exported);
    assert_eq!(all.len(), call + 1, "{all:#?}");
    all.remove(call)
}

fn run(test: &str, body: impl AsyncFnOnce(&Exported)) {
    in_child(
        &format!("spans::waits::{test}"),
        &[("SQLX_LEASH", "spans=all,all=allow")],
        |runtime| {
            let exported = Exported::start();
            runtime.block_on(body(&exported));
        },
    );
}

#[track]
async fn holds(pool: &SqlitePool, time: Duration) {
    let _connection = pool.acquire().await.unwrap(); // @holds
    tokio::time::sleep(time).await;
}

#[track]
async fn waits_for_it(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT * FROM exam").execute(pool).await?; // @waits
    Ok(())
}

/// Holds the only permit in the span `holder` while `waits_for_it` runs in `request`.
async fn hold_and_wait(pool: &TestPool, hold: Duration) -> sqlx::Result<()> {
    let holder = holds(pool, hold).instrument(info_span!("holder"));
    let waiter = async {
        pool.has_handles(1).await;
        waits_for_it(pool).instrument(info_span!("request")).await
    };
    tokio::join!(holder, waiter).1
}

#[test]
fn a_wait_names_its_holders_and_follows_from_their_spans() {
    run(
        "a_wait_names_its_holders_and_follows_from_their_spans",
        async |exported| {
            let pool = pool_of(1).await;
            hold_and_wait(&pool, Duration::from_millis(50))
                .await
                .unwrap();
            let wait = its_wait(exported, 0).await;
            let request = exported.await_one("request").await;
            let holder = exported.await_one("holder").await;
            assert_eq!(wait.span_kind, SpanKind::Internal);
            assert_eq!(wait.status, Status::Unset);
            assert_eq!(wait.parent_span_id, request.span_context.span_id());
            let links: Vec<_> = wait.links.iter().map(|link| &link.span_context).collect();
            assert_eq!(links, [&holder.span_context], "{wait:#?}");
            let (place, at) = (marked("holds", "acquire"), marked("waits", "execute"));
            let held_by = format!(
                "{} at {}:{}",
                full_name("spans::waits::holds"),
                place.file,
                place.line
            );
            let expected = [
                ("sqlx_leash.held_by", held_by),
                ("sqlx_leash.permits", "1".to_owned()),
                ("sqlx_leash.permits_held", "1".to_owned()),
                ("code.file.path", at.file),
                ("code.line.number", at.line.to_string()),
                ("db.client.connection.pool.name", pool.name().to_owned()),
            ];
            for (name, value) in expected {
                assert_eq!(attribute(&wait, name), Some(value), "{name}");
            }
            let waited: f64 = attribute(&wait, "sqlx_leash.waited_ms")
                .unwrap()
                .parse()
                .unwrap();
            let shown = time(&wait).as_secs_f64() * 1e3;
            assert!(
                waited >= 1.0 + shown * 0.9,
                "it begins 1 ms late: {waited}, {shown}"
            );
            let select = exported.await_one("SELECT exam").await;
            assert!(
                select.start_time >= wait.end_time - Duration::from_millis(5),
                "{select:#?}"
            );
        },
    );
}

/// An acquire of a pool with these options is ready at once where a connection is idle.
fn without_ping(connections: u32) -> SqlitePoolOptions {
    let options = SqlitePoolOptions::new().test_before_acquire(false);
    options.max_connections(connections)
}

#[test]
fn a_permit_that_is_free_has_no_wait() {
    run("a_permit_that_is_free_has_no_wait", async |exported| {
        let pool = connect(without_ping(1), "sqlite::memory:").await;
        pool.has_idle(1).await;
        waits_for_it(&pool).await.unwrap();
        exported.await_one("SELECT exam").await;
        pool.close().await;
        let all = its_waits(exported);
        assert!(all.is_empty(), "{all:#?}");
    });
}

#[test]
fn a_timeout_is_an_error_and_a_dropped_wait_is_given_up() {
    run(
        "a_timeout_is_an_error_and_a_dropped_wait_is_given_up",
        async |exported| {
            let options = SqlitePoolOptions::new().max_connections(1);
            let options = options.acquire_timeout(Duration::from_millis(300));
            let pool = connect(options, "sqlite::memory:").await;
            let held = pool.acquire().await.unwrap();
            waits_for_it(&pool).await.unwrap_err();
            let timed_out = its_wait(exported, 0).await;
            assert_eq!(
                attribute(&timed_out, "error.type").as_deref(),
                Some("PoolTimedOut")
            );
            assert!(
                matches!(timed_out.status, Status::Error { .. }),
                "{timed_out:#?}"
            );
            drop(held);

            let pool = pool_of(1).await;
            let held = pool.acquire().await.unwrap();
            // It polls the wait again before it drops it, which begins the span.
            tokio::time::timeout(Duration::from_millis(10), waits_for_it(&pool))
                .await
                .unwrap_err();
            let dropped = its_wait(exported, 1).await;
            assert_eq!(
                attribute(&dropped, "error.type").as_deref(),
                Some("cancelled")
            );
            assert_eq!(dropped.status, Status::Unset);
            drop(held);
        },
    );
}

#[test]
fn many_holders_are_bounded_and_each_span_is_linked_once() {
    run(
        "many_holders_are_bounded_and_each_span_is_linked_once",
        async |exported| {
            let pool = connect(without_ping(20), "sqlite::memory:").await;
            drop(join_all((0..20).map(|_| pool.acquire())).await);
            pool.has_idle(20).await;
            let mut held = Vec::new();
            for _ in 0..10 {
                let _span = info_span!("holder").entered();
                held.extend([(); 2].map(|()| pool.try_acquire().unwrap()));
            }
            let release = async {
                pool.has_waiting(1).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                drop(held);
            };
            let (waited, ()) = tokio::join!(waits_for_it(&pool), release);
            waited.unwrap();
            let wait = its_wait(exported, 0).await;
            assert_eq!(wait.links.iter().len(), 8, "{wait:#?}");
            let held_by = attribute(&wait, "sqlx_leash.held_by").unwrap();
            assert!(held_by.contains("(16 times)"), "{held_by}");
            assert_eq!(
                attribute(&wait, "sqlx_leash.permits_held").as_deref(),
                Some("20")
            );
        },
    );
}
