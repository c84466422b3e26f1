//! The names of requests: few, whatever clients send.

use std::convert::Infallible;

use http::{HeaderValue, Response};
use http_body_util::Full;
use leash_tests::in_child;
use sqlx::leash::testing::findings;
use sqlx::leash::tower::RequestLayer;
use sqlx::leash::{self, Lint};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::{answer, empty, layer, query, row};
use crate::common::pool;

#[tokio::test]
async fn a_request_without_a_route_never_has_its_path() {
    let service = ServiceBuilder::new()
        .layer(RequestLayer::new(|_| None))
        .service(service_fn(async |_| Ok::<_, Infallible>(empty())));
    for path in ["/secret/1", "/secret/2"] {
        let request = http::Request::builder().uri(path).body(()).unwrap();
        service.clone().oneshot(request).await.unwrap();
    }
    assert!(row("GET", "<unmatched>").requests >= 2);
    let rows = leash::snapshot().requests;
    assert!(rows.iter().all(|row| !row.route.contains("secret")));
}

#[tokio::test]
async fn methods_of_the_client_share_a_row() {
    for number in 0..20 {
        answer(layer(), (&format!("M{number}"), "/methods"), async |_| {
            empty()
        })
        .await;
    }
    answer(layer(), ("PATCH", "/methods"), async |_| empty()).await;
    assert_eq!(row("_OTHER", "/methods").requests, 20);
    assert_eq!(row("PATCH", "/methods").requests, 1);
}

/// A program that returns the raw path by mistake keeps a bounded number of rows. In a process of its own, whose table it
/// fills.
#[test]
fn ten_thousand_raw_paths_stay_bounded() {
    let printed = in_child(
        "requests::names::ten_thousand_raw_paths_stay_bounded",
        &[],
        |runtime| {
            runtime.block_on(async {
                let service = ServiceBuilder::new()
                    .layer(RequestLayer::new(|parts| Some(parts.uri.path())))
                    .service(service_fn(async |_| Ok::<_, Infallible>(empty())));
                for number in 0..10_000 {
                    let uri = format!("/raw/{number}");
                    let request = http::Request::builder().uri(uri).body(()).unwrap();
                    service.clone().oneshot(request).await.unwrap();
                }
                let snapshot = leash::snapshot();
                assert_eq!(snapshot.requests.len(), 4_096 + 1);
                assert_eq!(row("GET", "<other>").requests, 10_000 - 4_096);
                let all: u64 = snapshot.requests.iter().map(|row| row.requests).sum();
                assert_eq!(all, 10_000);
                let bytes = snapshot.tracker.bytes;
                assert!(bytes < 32 << 20, "{bytes} bytes");
            });
        },
    );
    drop(printed);
}

/// What a request holds, and what is found in it, is named by it.
#[tokio::test]
async fn handles_and_findings_have_the_name_of_the_request() {
    let pool = &pool().await;
    let ((), found) = findings(async {
        answer(layer(), ("GET", "/named/{id}"), async |_| {
            let handle = pool.acquire().await.unwrap();
            assert_eq!(pool.handles()[0].scope.as_deref(), Some("GET /named/{id}"));
            let second = pool.acquire().await.unwrap();
            drop((handle, second));
            empty()
        })
        .await;
    })
    .await;
    let [nested] = &found[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(nested.lint, Lint::NestedAcquire);
    assert!(
        nested.render().contains("GET /named/{id}"),
        "{}",
        nested.render()
    );
}

#[tokio::test]
async fn server_timing_is_added_to_what_is_there() {
    let pool = &pool().await;
    let handler = async |_| {
        query(pool, "SELECT 1").await;
        let mut response = Response::new(Full::<bytes::Bytes>::default());
        let own = HeaderValue::from_static("cache;dur=1");
        response.headers_mut().insert("server-timing", own);
        response
    };
    // This is a debug build.
    let response = answer(layer(), ("GET", "/timing"), handler).await;
    let shown = response.headers().get_all("server-timing").iter();
    let shown: Vec<_> = shown.map(|it| it.to_str().unwrap()).collect();
    let [own, ours] = shown[..] else {
        panic!("{shown:?}");
    };
    assert_eq!(own, "cache;dur=1");
    let (database, wait) = ours.split_once(", ").unwrap();
    let database = database.strip_prefix("db;dur=").unwrap();
    let database = database.strip_suffix(";desc=\"1 query\"").unwrap();
    let wait = wait.strip_prefix("db_wait;dur=").unwrap();
    let [database, wait]: [f64; 2] = [database, wait].map(|it| it.parse().unwrap());
    assert!(database > 0.0 && wait >= 0.0, "{ours}");
    let response = answer(layer().server_timing(false), ("GET", "/timing"), handler).await;
    assert_eq!(
        response.headers().get_all("server-timing").iter().count(),
        1
    );
}
