//! Without `track`, a request and its response pass through the layer as they are.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use plain::Row;
use sqlx::leash;
use sqlx::leash::tower::{RequestLayer, board_service};
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::test]
async fn a_request_passes_through() {
    let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
    let pool = &pool;
    let layer = RequestLayer::new(|parts| Some(parts.uri.path()))
        .budget(0, Duration::ZERO)
        .server_timing(true);
    let service = service_fn(async |request: Request<&'static str>| {
        assert!(request.extensions().is_empty());
        let row = sqlx::query("SELECT 7").fetch_one(pool).await.unwrap();
        let answer = format!("{} {}", request.body(), row.get::<i64, _>(0));
        let mut response = Response::new(Full::<std::io::Cursor<String>>::new(
            std::io::Cursor::new(answer),
        ));
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok::<_, Infallible>(response)
    });
    let service = ServiceBuilder::new().layer(layer).service(service);
    let response = service.oneshot(Request::new("asked")).await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(response.headers().is_empty());
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "asked 7");
    assert!(leash::snapshot().requests.is_empty());
}

#[tokio::test]
async fn the_page_says_that_nothing_is_tracked() {
    let request = Request::builder()
        .uri("/state.json")
        .header("host", "localhost")
        .body(())
        .unwrap();
    let response = board_service().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&body).unwrap();
    assert!(text.contains("its feature `track` is off"), "{text}");
}
