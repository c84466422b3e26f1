//! When a request ends, and how.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sqlx::leash::{self, ScopeExt, testing};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::{Answer, answer, asked, empty, layer, query, row, text};
use crate::common::{poll_until, pool, pool_of};

#[tokio::test]
async fn a_request_counts_by_its_route() {
    let pool = &pool().await;
    let earlier = leash::snapshot();
    for _ in 0..2 {
        let response = answer(layer(), ("GET", "/counted/{id}"), async |_| {
            query(pool, "SELECT 1").await;
            query(pool, "SELECT 2 FROM exam").await;
            text("two")
        })
        .await;
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "two");
    }
    answer(layer(), ("GET", "/counted/{id}"), async |_| {
        let mut response = empty();
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    })
    .await;
    let row = row("GET", "/counted/{id}");
    assert_eq!((row.requests, row.answered, row.in_flight()), (3, 3, 0));
    assert_eq!((row.statements, row.most_statements), (4, 2));
    assert_eq!((row.statuses.successful, row.statuses.client_error), (2, 1));
    assert_eq!(
        (row.time.count, row.database.count, row.wait.count),
        (3, 3, 3)
    );
    assert!(row.database.total > Duration::ZERO && row.database.min == Duration::ZERO);
    assert!(row.time.total > row.database.total);
    let longest = row.longest.as_ref().unwrap();
    assert!(longest.summary.starts_with("SELECT") && longest.time <= row.database.max);
    assert!(row.repeated.is_empty(), "{row:#?}");
    let json = serde_json::to_value(&row).unwrap();
    let millis = json["longest"]["time_ms"].as_f64().unwrap();
    assert!((millis - longest.time.as_secs_f64() * 1e3).abs() < 1e-3);
    assert_eq!(
        (&json["requests"], &json["database"]["count"]),
        (&3.into(), &3.into())
    );

    let snapshot = leash::snapshot();
    let of_it = |snapshot: &leash::Snapshot| {
        let mut rows = snapshot.requests.iter();
        rows.find(|row| row.route == "/counted/{id}").cloned()
    };
    let since = of_it(&snapshot.since(&earlier)).unwrap();
    assert_eq!((since.requests, since.statements), (3, 4));
    assert!(of_it(&snapshot.since(&snapshot)).is_none());
}

#[tokio::test]
async fn two_requests_at_once_are_apart() {
    let pool = &pool().await;
    let one = answer(layer(), ("GET", "/apart/one"), async |_| {
        query(pool, "SELECT 1").await;
        tokio::task::yield_now().await;
        query(pool, "SELECT 1").await;
        empty()
    });
    let three = answer(layer(), ("GET", "/apart/three"), async |_| {
        for _ in 0..3 {
            query(pool, "SELECT 3").await;
            tokio::task::yield_now().await;
        }
        empty()
    });
    tokio::join!(one, three);
    assert_eq!(row("GET", "/apart/one").statements, 2);
    assert_eq!(row("GET", "/apart/three").statements, 3);
}

/// Each request is a root of its own, also where a function of the program is around it, or starts one further in.
#[tokio::test]
async fn a_request_is_a_root_wherever_it_is_answered() {
    #[sqlx::track(root)]
    async fn further_in(pool: &sqlx::SqlitePool) {
        sqlx::query("SELECT 'further in'")
            .fetch_all(pool)
            .await
            .unwrap();
    }
    let pool = &pool().await;
    let inner = answer(layer(), ("GET", "/root"), async |_| {
        query(pool, "SELECT 1").await;
        further_in(pool).await;
        empty()
    });
    let around = leash::scope("around a request", async {
        query(pool, "SELECT 0").await;
        drop(inner.await);
    });
    let ((), all) = testing::counting(around).await;
    assert_eq!(all, 3, "a test sees them all");
    assert_eq!(row("GET", "/root").statements, 2);
}

#[tokio::test]
async fn a_request_that_is_dropped_is_cancelled() {
    let pool = &pool().await;
    let has_sent = Cell::new(false);
    let cancelled = answer(layer(), ("GET", "/gone"), async |_| {
        query(pool, "SELECT 1").await;
        has_sent.set(true);
        pending::<Answer>().await
    });
    poll_until(cancelled, || has_sent.get()).await;
    let row = row("GET", "/gone");
    assert_eq!((row.requests, row.answered, row.statements), (1, 0, 1));
    assert_eq!(row.statuses, leash::StatusStats::default());
}

#[tokio::test]
async fn a_panic_of_a_handler_ends_its_request() {
    let pool = &pool().await;
    let panics = answer(layer(), ("GET", "/panics"), async |_| {
        query(pool, "SELECT 1").await;
        assert_eq!(pool.size(), 0, "of a handler");
        empty()
    });
    assert!(AssertUnwindSafe(panics).catch_unwind().await.is_err());
    let row = row("GET", "/panics");
    assert_eq!((row.requests, row.failed, row.cancelled), (1, 1, 0));
    // The thread is outside of the request again.
    let ((), counted) = testing::counting(query(pool, "SELECT 2")).await;
    assert_eq!(counted, 1);
}

#[tokio::test]
async fn an_error_of_the_service_is_passed_on() {
    let failing = service_fn(async |_| Err::<Response<Full<Bytes>>, _>("no service"));
    let service = ServiceBuilder::new().layer(layer()).service(failing);
    let error = service.oneshot(asked("GET", "/fails")).await.unwrap_err();
    assert_eq!(error, "no service");
    assert_eq!(row("GET", "/fails").failed, 1);
}

/// A statement of a task that the handler spawns counts where the handler says so.
#[tokio::test]
async fn a_spawned_task_counts_where_it_carries_the_scope() {
    let pool = &pool().await;
    answer(layer(), ("GET", "/spawns"), async |_| {
        let work = |pool: sqlx::SqlitePool| async move { query(&pool, "SELECT 1").await };
        tokio::spawn(work((*pool).clone())).await.unwrap();
        tokio::spawn(work((*pool).clone()).in_current_scope())
            .await
            .unwrap();
        empty()
    })
    .await;
    assert_eq!(row("GET", "/spawns").statements, 1);
}

#[tokio::test]
async fn waits_for_permits_are_summed() {
    let pool = &pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let waiting = answer(layer(), ("GET", "/waits"), async |_| {
        query(pool, "SELECT 1").await;
        empty()
    });
    let release = async {
        pool.has_waiting(1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(held);
    };
    tokio::join!(waiting, release);
    // A wait that is given up counts as well.
    let held = pool.acquire().await.unwrap();
    let given_up = answer(layer(), ("GET", "/gives-up"), async |_| {
        let wait = Duration::from_millis(20);
        _ = tokio::time::timeout(wait, pool.acquire()).await;
        empty()
    })
    .await;
    drop((held, given_up));
    for route in ["/waits", "/gives-up"] {
        let wait = row("GET", route).wait.total;
        assert!(wait >= Duration::from_millis(15), "{route}: {wait:?}");
    }
}

/// What has no body on the wire ends at once, whatever the response has.
#[tokio::test]
async fn responses_without_a_body_end_at_once() {
    let response = answer(layer(), ("HEAD", "/at-once"), async |_| text("of a GET")).await;
    assert_eq!(row("HEAD", "/at-once").answered, 1);
    drop(response);
    assert_eq!(row("HEAD", "/at-once").cancelled, 0);
    let response = answer(layer(), ("GET", "/at-once"), async |_| empty()).await;
    assert_eq!(row("GET", "/at-once").answered, 1);
    drop(response);
    let response = answer(layer(), ("PUT", "/at-once"), async |_| {
        let mut response = text("which is not sent");
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    })
    .await;
    assert_eq!(row("PUT", "/at-once").answered, 1);
    drop(response);
    let response = answer(layer(), ("POST", "/at-once"), async |_| text("is not read")).await;
    assert_eq!(row("POST", "/at-once").in_flight(), 1);
    drop(response);
    assert_eq!(row("POST", "/at-once").cancelled, 1);
}

/// After an upgrade, a handle belongs to the task that speaks the other protocol.
#[tokio::test]
async fn an_upgrade_ends_the_request_and_keeps_its_handles() {
    let pool = &pool().await;
    let (kept, findings) = testing::findings(async {
        let kept = Cell::new(None);
        let response = answer(layer(), ("GET", "/upgrade"), async |_| {
            kept.set(Some(pool.acquire().await.unwrap()));
            let mut response = empty();
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response
        })
        .await;
        drop(response);
        kept.take()
    })
    .await;
    assert!(findings.is_empty(), "{findings:#?}");
    let handle = pool.handles().remove(0);
    assert_eq!(handle.scope, None);
    assert_eq!(handle.handed_up[0], "GET /upgrade");
    let row = row("GET", "/upgrade");
    assert_eq!((row.answered, row.statuses.informational), (1, 1));
    drop(kept);
}

/// Of two layers around each other, the outer one counts.
#[tokio::test]
async fn a_layer_within_a_layer_passes_through() {
    let pool = &pool().await;
    let service = ServiceBuilder::new()
        .layer(layer())
        .layer(layer())
        .service(service_fn(async |_| {
            query(pool, "SELECT 1").await;
            Ok::<_, Infallible>(empty())
        }));
    service.oneshot(asked("GET", "/twice")).await.unwrap();
    let row = row("GET", "/twice");
    assert_eq!((row.requests, row.statements), (1, 1));
}

/// The service is asked whether it is ready, and its own answer counts.
#[tokio::test]
async fn readiness_is_the_services_own() {
    #[derive(Clone)]
    struct NotYet(u32);
    impl Service<http::Request<()>> for NotYet {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Answer, Infallible>>;
        fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
            self.0 += 1;
            if self.0 < 3 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: http::Request<()>) -> Self::Future {
            assert_eq!(self.0, 3);
            std::future::ready(Ok(empty()))
        }
    }
    let mut service = layer().layer(NotYet(0));
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    service.call(asked("GET", "/ready")).await.unwrap();
    assert_eq!(row("GET", "/ready").answered, 1);
}
