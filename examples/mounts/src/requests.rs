//! A service on axum whose requests are counted by their routes, with the page at `/leash`.

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use sqlx::SqlitePool;
use sqlx::leash::tower::{RequestLayer, board_service};
use sqlx::sqlite::SqlitePoolOptions;

async fn exam(
    State(pool): State<SqlitePool>,
    Path(id): Path<i64>,
) -> Result<String, (StatusCode, String)> {
    let exam = sqlx::query_scalar("SELECT 'exam ' || ?").bind(id);
    let exam = exam.fetch_one(&pool).await;
    exam.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

// requests: axum
fn app(pool: SqlitePool) -> Router {
    let layer = RequestLayer::new(|request| {
        let matched = request.extensions.get::<MatchedPath>();
        matched.map(MatchedPath::as_str)
    });
    Router::new()
        .route("/exams/{id}", get(exam))
        .with_state(pool)
        .layer(layer.budget(20, Duration::from_millis(200)))
        // Below the layer, so that looking at the page is no request.
        .nest_service("/leash", board_service())
}
// requests: end

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // The database lives as long as its last connection.
    let options = SqlitePoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = options.connect_lazy("sqlite::memory:");
    let pool = pool.map_err(std::io::Error::other)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/leash", listener.local_addr()?);
    axum::serve(listener, app(pool)).await
}
