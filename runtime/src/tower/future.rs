//! The future of a request, until the head of its response is there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{Ended, InRequest, ResponseBody, timing};

pin_project! {
    /// The future of a [`RequestService`](super::RequestService).
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F> {
        // `None` once it was dropped, inside the scope.
        #[pin]
        future: Option<F>,
        request: Option<InRequest>,
        answering: Answering,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(request) = this.request {
                request.run(|| this.future.set(None));
            }
        }
    }
}

/// What of a request decides how its response is treated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answering {
    pub(super) is_head: bool,
    pub(super) is_connect: bool,
    pub(super) server_timing: bool,
}

impl Answering {
    /// Whether the connection is no longer HTTP's after a response of this status.
    fn is_upgrade(self, status: StatusCode) -> bool {
        status == StatusCode::SWITCHING_PROTOCOLS || self.is_connect && status.is_success()
    }

    /// Whether no body is sent with a response of this status, whatever the response has.
    fn is_bodiless(self, status: StatusCode) -> bool {
        self.is_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
    }
}

impl<F> ResponseFuture<F> {
    /// A future that is not seen.
    pub(super) fn plain(future: F) -> Self {
        Self {
            future: Some(future),
            request: None,
            answering: Answering::default(),
        }
    }

    pub(super) fn seen(future: F, request: InRequest, answering: Answering) -> Self {
        Self {
            future: Some(future),
            request: Some(request),
            answering,
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("polled after it was ready");
        let Some(request) = this.request else {
            let response = ready!(future.poll(cx));
            return Poll::Ready(response.map(|response| response.map(ResponseBody::plain)));
        };
        let result = ready!(request.run(|| future.poll(cx)));
        request.run(|| this.future.set(None));
        let mut request = this.request.take().expect("BUG: it was there");
        Poll::Ready(match result {
            Ok(response) => Ok(answered(response, request, *this.answering, cx.waker())),
            Err(error) => {
                request.end(Ended::Failed("service"));
                Err(error)
            }
        })
    }
}

/// Puts the request into the response: it goes on in the body.
fn answered<R: Body>(
    mut response: Response<R>,
    mut request: InRequest,
    answering: Answering,
    task: &Waker,
) -> Response<ResponseBody<R>> {
    let status = response.status();
    let is_error = status.as_u16() >= 400 || is_grpc_error(response.headers());
    request.responds(status.as_u16(), is_error, task);
    if answering.server_timing {
        timing::add(response.headers_mut(), &request);
    }
    if answering.is_upgrade(status) {
        request.is_upgraded(task);
        return response.map(ResponseBody::plain);
    }
    if answering.is_bodiless(status) || response.body().is_end_stream() {
        request.end(Ended::Answered);
    }
    let (head, body) = response.into_parts();
    let body = ResponseBody::of_request(body, request, &head.headers);
    Response::from_parts(head, body)
}

/// Whether the response is a gRPC error without a body. Its HTTP status is 200.
fn is_grpc_error(headers: &HeaderMap) -> bool {
    headers.get("grpc-status").is_some_and(|code| code != "0")
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
