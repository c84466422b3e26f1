//! What the layer adds to a request.

#![cfg(feature = "leash")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::http::{Request, Response};
use bytes::Bytes;
use futures::FutureExt;
use http_body_util::Full;
use sqlx::leash::tower::RequestLayer;
use tower::{Layer, Service};

/// Answers at once, with an empty body.
#[derive(Clone)]
struct Answers;

impl Service<Request<()>> for Answers {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Full::default())))
    }
}

/// The time of one request, in the fastest of some rounds.
fn fastest<S: Service<Request<()>>>(service: &mut S) -> Duration {
    const REQUESTS: u32 = 100_000;
    let mut context = Context::from_waker(Waker::noop());
    let mut round = || {
        let begun = Instant::now();
        for _ in 0..REQUESTS {
            let mut future = pin!(service.call(Request::new(())));
            assert!(future.poll_unpin(&mut context).is_ready());
        }
        begun.elapsed() / REQUESTS
    };
    let rounds = (0..10).map(|_| round());
    rounds.min().expect("there are rounds")
}

#[test]
#[ignore = "it measures, which a debug build or a busy machine makes meaningless"]
fn of_a_request_without_a_statement() {
    let plain = fastest(&mut Answers);
    let layer = RequestLayer::new(|_| Some("/exams/{id}")).server_timing(false);
    let layered = fastest(&mut layer.layer(Answers));
    println!("plain {plain:?}, with the layer {layered:?}");
    assert!(layered < Duration::from_micros(10), "{layered:?}");
}
