//! The page in a service on axum, at `/leash`.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::any;
use sqlx::leash::board::Board;

// mount: axum
async fn leash(State(board): State<Board>, request: Request) -> impl IntoResponse {
    let (headers, uri) = (request.headers(), request.uri());
    let host = headers.get(HOST).and_then(|it| it.to_str().ok());
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let page = board.respond(request.method().as_str(), path, host.or(uri.host()));
    let status = StatusCode::from_u16(page.status).expect("it is a status");
    (status, AppendHeaders(page.headers), Body::from(page.body))
}

fn app(board: Board) -> Router {
    Router::new().nest_service("/leash", any(leash).with_state(board))
}
// mount: end

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/leash", listener.local_addr()?);
    axum::serve(listener, app(Board::new())).await
}
