//! The live page as a service.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::uri::Authority;
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
        let path = request.uri().path_and_query();
        let path = path.map_or("/", |it| it.as_str());
        let path = path.strip_prefix(self.at).unwrap_or(path);
        let page = self
            .board
            .respond(request.method().as_str(), path, host(request));
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

/// The host that a request names; `None` if it names several, or one that is no text.
fn host<B>(request: &Request<B>) -> Option<&str> {
    let target = request.uri().authority().map(Authority::as_str);
    let headers = request.headers().get_all(HOST).into_iter();
    let mut hosts = target
        .map(Some)
        .into_iter()
        .chain(headers.map(|it| it.to_str().ok()));
    let host = hosts.next()??;
    hosts.all(|other| other == Some(host)).then_some(host)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The host of a request with this target and these headers `Host`.
    fn named(target: &str, hosts: &[&[u8]]) -> Option<String> {
        let mut request = Request::new(());
        *request.uri_mut() = target.parse().unwrap();
        for value in hosts {
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(HOST, value);
        }
        host(&request).map(str::to_owned)
    }

    #[test]
    fn a_request_names_one_host() {
        let localhost = Some("localhost:80".to_owned());
        assert_eq!(named("/", &[b"localhost:80"]), localhost);
        assert_eq!(named("http://localhost:80/", &[]), localhost);
        assert_eq!(named("http://localhost:80/", &[b"localhost:80"]), localhost);
        for (target, hosts) in [
            ("/", &[][..]),
            ("/", &[&b"\xff"[..]]),
            ("/", &[b"localhost", b"evil.example"]),
            ("/", &[b"localhost", b"\xff"]),
            ("http://localhost/", &[b"evil.example"]),
            ("http://evil.example/", &[b"localhost"]),
            ("http://localhost/", &[b"\xff"]),
        ] {
            assert_eq!(named(target, hosts), None, "{target} {hosts:?}");
        }
    }
}
