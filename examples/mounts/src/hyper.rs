//! The page in a service on hyper, at `/leash`.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sqlx::leash::board::Board;

// mount: hyper
fn leash(board: &Board, path: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (headers, uri) = (request.headers(), request.uri());
    let host = headers.get(HOST).and_then(|it| it.to_str().ok());
    let page = board.respond(request.method().as_str(), path, host.or(uri.host()));
    let mut response = Response::new(Full::from(page.body));
    *response.status_mut() = StatusCode::from_u16(page.status).expect("it is a status");
    for (name, value) in page.headers {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        response.headers_mut().insert(name, value);
    }
    response
}

fn answer(board: &Board, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    match path.strip_prefix("/leash") {
        Some(path) => leash(board, path, request),
        None => Response::new(Full::from("the service's own pages")),
    }
}
// mount: end

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/leash", listener.local_addr()?);
    let board = Board::new();
    loop {
        let (client, _) = listener.accept().await?;
        let board = board.clone();
        let service = service_fn(move |request| {
            let response = answer(&board, &request);
            async move { Ok::<_, Infallible>(response) }
        });
        // A client that breaks off is no error of the service.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(client), service));
    }
}
