//! A request goes on in the body of its response.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use sqlx::SqlitePool;
use sqlx::leash::testing;

use super::{answer, layer, query, row};
use crate::common::{HUNDRED, pool};

type Items = StreamBody<BoxStream<'static, sqlx::Result<Frame<Bytes>>>>;

/// A body that sends a statement for each item.
fn items(pool: &SqlitePool, items: u32) -> Items {
    let pool = pool.clone();
    let frames = futures::stream::iter(0..items).then(move |item| {
        let pool = pool.clone();
        async move {
            let sql = "SELECT name FROM exam WHERE id = ?";
            sqlx::query(sql).bind(item).fetch_all(&pool).await?;
            Ok(Frame::data(Bytes::from_static(b"item")))
        }
    });
    StreamBody::new(frames.boxed())
}

#[tokio::test]
async fn what_a_streamed_body_sends_counts_at_its_end() {
    let pool = &pool().await;
    let response = answer(layer(), ("GET", "/streamed"), async |_| {
        query(pool, "SELECT 1").await;
        Response::new(items(pool, 12))
    })
    .await;
    let before = row("GET", "/streamed");
    assert_eq!((before.in_flight(), before.statements), (1, 0));
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes().len(), 12 * 4);
    let row = row("GET", "/streamed");
    assert_eq!((row.answered, row.statements), (1, 13));
    let [repeated] = &row.repeated[..] else {
        panic!("{row:#?}");
    };
    assert_eq!((repeated.requests, repeated.most), (1, 12));
    assert_eq!(repeated.summary, "SELECT exam");
}

#[tokio::test]
async fn a_body_that_is_dropped_half_way_is_cancelled() {
    let pool = &pool().await;
    let response = answer(layer(), ("GET", "/half"), async |_| {
        Response::new(items(pool, 12))
    })
    .await;
    let mut body = response.into_body();
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    let row = row("GET", "/half");
    assert_eq!((row.cancelled, row.answered, row.statements), (1, 0, 3));
}

#[tokio::test]
async fn a_body_that_fails_has_failed() {
    let pool = &pool().await;
    let response = answer(layer(), ("GET", "/broken"), async |_| {
        let frames = futures::stream::iter([Err(sqlx::Error::RowNotFound)]).boxed();
        query(pool, "SELECT 1").await;
        Response::new(Items::new(frames))
    })
    .await;
    response.into_body().collect().await.unwrap_err();
    let row = row("GET", "/broken");
    assert_eq!((row.failed, row.cancelled, row.statements), (1, 0, 1));
}

/// A handle in a body belongs to the request until the body is gone, and is no leak.
#[tokio::test]
async fn a_handle_may_live_in_the_body() {
    let pool = &pool().await;
    let ((), findings) = testing::findings(async {
        let response = answer(layer(), ("GET", "/rows"), async |_| {
            let mut connection = pool.acquire().await.unwrap();
            let rows = async_stream::stream! {
                let mut rows = sqlx::query(HUNDRED).fetch(&mut *connection);
                while let Some(_row) = rows.try_next().await? {
                    yield Ok(Frame::data(Bytes::from_static(b"row")));
                }
            };
            Response::new(Items::new(rows.boxed()))
        })
        .await;
        assert_eq!(pool.handles()[0].scope.as_deref(), Some("GET /rows"));
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes().len(), 300);
        let response = answer(layer(), ("GET", "/rows"), async |_| {
            let connection = pool.acquire().await.unwrap();
            let frames = futures::stream::pending().map(move |item| {
                _ = &connection;
                item
            });
            Response::new(Items::new(frames.boxed()))
        })
        .await;
        drop(response);
    })
    .await;
    assert!(findings.is_empty(), "{findings:#?}");
    pool.assert_serves_all().await;
    let row = row("GET", "/rows");
    assert_eq!((row.answered, row.cancelled, row.statements), (1, 1, 1));
}

/// A body of prepared frames, with a size of its own.
struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    hint: SizeHint,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

#[tokio::test]
async fn frames_trailers_and_sizes_pass_unchanged() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut hint = SizeHint::new();
    hint.set_lower(3);
    hint.set_upper(8);
    let response = answer(layer(), ("POST", "/frames"), async |_| {
        let frames = [
            Frame::data(Bytes::from_static(b"abc")),
            Frame::data(Bytes::from_static(b"de")),
            Frame::trailers(trailers.clone()),
        ];
        Response::new(Frames {
            frames: frames.into(),
            hint,
        })
    })
    .await;
    let mut body = response.into_body();
    let shown = body.size_hint();
    assert_eq!((shown.lower(), shown.upper()), (3, Some(8)));
    for data in ["abc", "de"] {
        assert!(!body.is_end_stream());
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), data);
    }
    assert_eq!(row("POST", "/frames").in_flight(), 1);
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap(), trailers);
    // The body says itself that nothing follows, so that nobody has to ask.
    assert!(body.is_end_stream());
    assert_eq!(row("POST", "/frames").answered, 1);
    assert!(body.frame().await.is_none());
}

/// A server drops a body whose announced length it has sent, and does not ask for its end.
#[tokio::test]
async fn a_body_of_announced_length_ends_with_its_last_byte() {
    let pool = &pool().await;
    let response = answer(layer(), ("GET", "/announced"), async |_| {
        let mut response = Response::new(items(pool, 12));
        let length = HeaderValue::from_static("12");
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response
    })
    .await;
    let mut body = response.into_body();
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    let row = row("GET", "/announced");
    assert_eq!((row.answered, row.cancelled, row.statements), (1, 0, 3));
}
