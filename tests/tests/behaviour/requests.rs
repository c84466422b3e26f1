//! Requests behind `RequestLayer`: what they count, when they end, and what is judged of them.

mod bodies;
mod ends;
mod judged;
mod names;
mod off;

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sqlx::SqlitePool;
use sqlx::leash::tower::{RequestLayer, ResponseBody};
use sqlx::leash::{self, RequestStats};
use tower::{ServiceBuilder, ServiceExt, service_fn};

type Answer = Response<Full<Bytes>>;

/// A request with this route, as a router would leave it.
#[derive(Clone)]
struct Matched(&'static str);

/// A layer that finds the route where [`asked`] leaves it.
#[track_caller]
fn layer() -> RequestLayer {
    RequestLayer::new(|parts| parts.extensions.get::<Matched>().map(|it| it.0))
}

fn asked(method: &str, route: &'static str) -> Request<()> {
    let request = Request::builder().method(method).uri("/of/the/client");
    request.extension(Matched(route)).body(()).unwrap()
}

fn empty() -> Answer {
    Response::new(Full::default())
}

fn text(text: &'static str) -> Answer {
    Response::new(Full::from(text))
}

/// Answers one request of this method and route by `handler`, behind `layer`.
async fn answer<H, F, B>(
    layer: RequestLayer,
    (method, route): (&str, &'static str),
    handler: H,
) -> Response<ResponseBody<B>>
where
    H: Fn(Request<()>) -> F,
    F: Future<Output = Response<B>>,
    B: http_body::Body,
{
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |request| {
            Ok::<_, Infallible>(handler(request).await)
        }));
    let Ok(response) = service.oneshot(asked(method, route)).await;
    response
}

/// The row of a method and route.
#[track_caller]
fn row(method: &str, route: &str) -> RequestStats {
    let rows = leash::snapshot().requests;
    let mut rows = rows.into_iter();
    rows.find(|row| row.method == method && row.route == route)
        .unwrap_or_else(|| panic!("no row of {method} {route}"))
}

async fn query(pool: &SqlitePool, sql: &'static str) {
    sqlx::query(sql).fetch_all(pool).await.unwrap();
}
