//! The event of a request.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sqlx::leash::tower::RequestLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tracing::{Instrument, Level, info_span};

use super::{Collected, Seen};
use crate::common::pool;

/// Answers a request of this route with this status after some statements, and returns the event.
async fn event(route: &'static str, status: StatusCode, statements: u32) -> Seen {
    let pool = &pool().await;
    let layer = RequestLayer::new(move |_| Some(route)).budget(2, Duration::from_mins(1));
    let service = service_fn(async |_| {
        for _ in 0..statements {
            sqlx::query("SELECT 1").fetch_all(&**pool).await.unwrap();
        }
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = status;
        Ok::<_, Infallible>(response)
    });
    let service = ServiceBuilder::new().layer(layer).service(service);
    let (collected, _guard) = Collected::start();
    let request = Request::builder().uri("/of/the/client").body(()).unwrap();
    let answered = service.oneshot(request);
    drop(answered.instrument(info_span!("request")).await);
    let mut events = collected.of("sqlx_leash::request");
    assert_eq!(events.len(), 1, "{events:#?}");
    events.remove(0)
}

#[tokio::test]
async fn a_request_is_one_event() {
    let seen = event("/event/{id}", StatusCode::OK, 2).await;
    assert_eq!(
        (seen.level, &seen.spans[..]),
        (Level::DEBUG, &["request"][..])
    );
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/event/{id}"),
        ("http.response.status_code", "200"),
        ("statements", "2"),
        ("longest", "SELECT"),
        ("repeated", "1"),
        ("over_budget", "false"),
    ] {
        assert_eq!(seen.field(name), value, "{name}");
    }
    let millis = |name| seen.field(name).parse::<f64>().unwrap();
    assert!(millis("db_ms") > 0.0 && millis("wait_ms") >= 0.0);
    assert!(millis("longest_ms") <= millis("db_ms"));
    assert!(millis("db_ms") + millis("wait_ms") <= millis("elapsed_ms"));
    assert!(!seen.fields.contains_key("error.type"), "{seen:#?}");
    let message = seen.field("message");
    assert!(
        message.starts_with("GET /event/{id}: 2 statements, "),
        "{message}"
    );
    assert!(message.contains(" with the database"), "{message}");
}

#[tokio::test]
async fn a_request_over_its_budget_is_a_warning() {
    let seen = event("/event/over", StatusCode::OK, 3).await;
    assert_eq!(
        (seen.level, seen.field("over_budget")),
        (Level::WARN, "true")
    );
    let message = seen.field("message");
    assert!(message.ends_with(": over its budget"), "{message}");
}

#[tokio::test]
async fn an_error_of_the_server_has_its_status_as_type() {
    let seen = event("/event/500", StatusCode::INTERNAL_SERVER_ERROR, 0).await;
    assert_eq!(seen.field("error.type"), "500");
    let seen = event("/event/404", StatusCode::NOT_FOUND, 0).await;
    assert!(!seen.fields.contains_key("error.type"), "{seen:#?}");
}
