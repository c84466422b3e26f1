//! The live page as a service.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

use crate::board::Board;

/// The live page, for this machine alone, as a service. In axum: `Router::new().nest_service("/leash", board_service())`.
///
/// It shows the findings from this call on. For another page, [`BoardService::from`] a [`Board`].
pub fn board_service() -> BoardService {
    Board::new().into()
}

/// A service that answers every request with the live page: [`Board::respond`].
///
/// The page is at the path `/`. A router that leaves its own part in the path, such as axum's `route_service`, needs
/// [`at`](Self::at).
#[derive(Clone, Debug)]
pub struct BoardService {
    board: Board,
    at: &'static str,
}

impl BoardService {
    /// Serves the page at this path, where the router leaves that in the path of a request.
    ///
    /// ```ignore
    /// Router::new()
    ///     .route_service("/leash", board_service().at("/leash"))
    ///     .route_service("/leash/{*rest}", board_service().at("/leash"))
    /// ```
    #[must_use]
    pub fn at(mut self, path: &'static str) -> Self {
        self.at = path.trim_end_matches('/');
        self
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<PageBody> {
        let (headers, uri) = (request.headers(), request.uri());
        let host = headers.get(HOST).and_then(|it| it.to_str().ok());
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        let path = path.strip_prefix(self.at).unwrap_or(path);
        let page = self
            .board
            .respond(request.method().as_str(), path, host.or(uri.host()));
        let mut response = Response::new(PageBody(Some(page.body.into())));
        *response.status_mut() = StatusCode::from_u16(page.status).expect("BUG: it is a status");
        for (name, value) in page.headers {
            let name = HeaderName::from_static(name);
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<Board> for BoardService {
    fn from(board: Board) -> Self {
        Self { board, at: "" }
    }
}

impl<B> Service<Request<B>> for BoardService {
    type Response = Response<PageBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<PageBody>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

/// The body of an answer of [`BoardService`]: one piece, or nothing.
#[derive(Debug, Default)]
pub struct PageBody(Option<Bytes>);

impl Body for PageBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let whole = self.0.take().filter(|whole| !whole.is_empty());
        Poll::Ready(whole.map(|whole| Ok(Frame::data(whole))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}
