//! The body of a response, in which its request goes on.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Ended, InRequest};

pin_project! {
    /// The body of a response, unchanged: its frames, trailers and size are those of `B`. Its request ends with it.
    pub struct ResponseBody<B> {
        // `None` once it was dropped, inside the scope.
        #[pin]
        body: Option<B>,
        request: Option<InRequest>,
        // The bytes that its header has announced, and that were not sent yet.
        announced: Option<u64>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(request) = this.request {
                // A server need not ask for the end of a body whose announced length it has sent.
                if *this.announced == Some(0) {
                    request.end(Ended::Answered);
                }
                request.run(|| this.body.set(None));
            }
        }
    }
}

impl<B> ResponseBody<B> {
    /// A body that is not seen.
    pub(super) fn plain(body: B) -> Self {
        Self {
            body: Some(body),
            request: None,
            announced: None,
        }
    }
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn of_request(body: B, request: InRequest, headers: &HeaderMap) -> Self {
        let length = headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Self {
            announced: length.or_else(|| body.size_hint().exact()),
            body: Some(body),
            request: Some(request),
        }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(mut body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let Some(request) = this.request else {
            return body.poll_frame(cx);
        };
        let frame = ready!(request.run(|| body.as_mut().poll_frame(cx)));
        match &frame {
            None => request.end(Ended::Answered),
            Some(Err(_)) => request.end(Ended::Failed("body")),
            Some(Ok(frame)) => {
                let sent = frame.data_ref().map_or(0, Buf::remaining);
                if let Some(announced) = this.announced {
                    *announced = announced.saturating_sub(sent as u64);
                }
                if body.is_end_stream() {
                    request.end(Ended::Answered);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::plain(B::default())
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
