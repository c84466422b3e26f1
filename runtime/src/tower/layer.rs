//! The layer, and the service that it puts around another.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::future::{Answering, ResponseFuture};
use super::{InRequest, ResponseBody};

type Route = dyn for<'a> Fn(&'a Parts) -> Option<&'a str> + Send + Sync;

/// Opens a root scope for each request, and counts requests by their route. See [`guide::requests`](crate::leash::guide::requests).
///
/// The scope is named by the method and the route, as `GET /exams/{id}`. It begins with the call of the service and ends with
/// the body of the response.
///
/// ```
/// use std::time::Duration;
///
/// use sqlx_leash::leash::tower::RequestLayer;
///
/// const ROUTES: [&str; 2] = ["/exams", "/patients"];
///
/// let layer = RequestLayer::new(|parts| ROUTES.into_iter().find(|route| *route == parts.uri.path()))
///     .budget(20, Duration::from_millis(200));
/// # let _ = layer;
/// ```
#[derive(Clone)]
#[must_use]
pub struct RequestLayer {
    route: Arc<Route>,
    /// Where it was made.
    made: &'static Location<'static>,
    budget: Option<(u64, Duration)>,
    server_timing: bool,
}

impl RequestLayer {
    /// A layer that asks `route` for the route that a request has matched; `None` if it has matched none. Such requests are
    /// counted together as `<unmatched>`.
    ///
    /// Return what the program's router has matched, never the path of the request: a path is the client's, and each would be
    /// a route of its own. In axum, that is `MatchedPath`:
    ///
    /// ```ignore
    /// RequestLayer::new(|parts| parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str))
    /// ```
    ///
    /// 4,096 routes are kept apart, by their first 200 bytes. Further ones are counted together as `<other>`.
    ///
    /// # Locking
    ///
    /// Each request looks its route up in a table of the process, under a lock that readers share. A new route waits for it
    /// alone, once.
    #[track_caller]
    pub fn new<R>(route: R) -> Self
    where
        R: for<'a> Fn(&'a Parts) -> Option<&'a str> + Send + Sync + 'static,
    {
        Self {
            route: Arc::new(route),
            made: Location::caller(),
            budget: None,
            server_timing: cfg!(debug_assertions),
        }
    }

    /// Logs a request at WARN that sends more than this number of statements, or that spends more than this time with the
    /// database. The time is the sum of its statements and of its waits for permits.
    pub fn budget(mut self, statements: u64, time: Duration) -> Self {
        self.budget = Some((statements, time));
        self
    }

    /// Sets whether responses have the header `Server-Timing`, which browsers show beside the request:
    /// `db;dur=210;desc="47 queries", db_wait;dur=12`. By default they have it in debug builds. Without `track`, none has it.
    ///
    /// The header is sent before the body, so it has what was sent by then. It is added to those that the service has set.
    ///
    /// # Security
    ///
    /// Whoever makes the request can read it. How many queries an answer took, and how long, may show what the answer itself
    /// does not: whether an account exists, or whether a search has found something. Show it to people you trust.
    pub fn server_timing(mut self, shown: bool) -> Self {
        self.server_timing = shown;
        self
    }
}

impl fmt::Debug for RequestLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLayer")
            .field("budget", &self.budget)
            .field("server_timing", &self.server_timing)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> RequestService<S> {
        RequestService {
            layer: self.clone(),
            inner,
        }
    }
}

/// A service whose requests are root scopes. [`RequestLayer`] makes it.
#[derive(Clone, Debug)]
pub struct RequestService<S> {
    layer: RequestLayer,
    inner: S,
}

/// Marks a request that has its scope: of several layers around each other, the outermost counts it.
#[derive(Clone)]
struct HasScope;

impl RequestLayer {
    /// Begins a request, unless a layer around this one has, or everything is switched off.
    fn begin(&self, parts: &mut Parts) -> Option<InRequest> {
        if parts.extensions.get::<HasScope>().is_some() {
            return None;
        }
        let method = parts.method.as_str();
        let request = InRequest::begin(method, (self.route)(parts), self.made, self.budget)?;
        parts.extensions.insert(HasScope);
        Some(request)
    }
}

impl<S, B, R> Service<Request<B>> for RequestService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<S::Future> {
        let (mut parts, body) = request.into_parts();
        let seen = self.layer.begin(&mut parts);
        let answering = Answering {
            is_head: parts.method == Method::HEAD,
            is_connect: parts.method == Method::CONNECT,
            server_timing: self.layer.server_timing,
        };
        let request = Request::from_parts(parts, body);
        match seen {
            None => ResponseFuture::plain(self.inner.call(request)),
            Some(mut seen) => {
                let future = seen.run(|| self.inner.call(request));
                ResponseFuture::seen(future, seen, answering)
            }
        }
    }
}
