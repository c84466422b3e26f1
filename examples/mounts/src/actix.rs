//! The page in a service on actix-web, at `/leash`, and a scope for each request.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Scope, web};
use sqlx::SqlitePool;
use sqlx::leash;
use sqlx::leash::board::Board;
use sqlx::sqlite::SqlitePoolOptions;

// mount: actix
async fn leash(board: web::Data<Board>, request: HttpRequest) -> HttpResponse {
    let (headers, uri) = (request.headers(), request.uri());
    let host = headers.get(HOST).and_then(|it| it.to_str().ok());
    let (path, query) = (request.match_info().unprocessed(), request.query_string());
    let path = format!("{path}?{query}");
    let page = board.respond(request.method().as_str(), &path, host.or(uri.host()));
    let status = StatusCode::from_u16(page.status).expect("it is a status");
    let mut response = HttpResponse::build(status);
    for header in page.headers {
        response.insert_header(header);
    }
    response.body(page.body)
}

fn service(board: web::Data<Board>) -> Scope {
    web::scope("/leash")
        .app_data(board)
        .default_service(web::to(leash))
}
// mount: end

// requests: actix
async fn scoped(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    // The pattern that matches, never the path: patterns are few.
    let name = request.match_pattern().map_or("<unmatched>", kept);
    leash::scope(name, next.call(request)).await
}

/// Keeps a name for the rest of the process.
fn kept(name: String) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(&*name) {
        return known;
    }
    let name: &'static str = name.leak();
    names.insert(name);
    name
}
// requests: end

async fn exam(pool: web::Data<SqlitePool>, id: web::Path<i64>) -> actix_web::Result<String> {
    let exam = sqlx::query_scalar("SELECT 'exam ' || ?").bind(*id);
    let exam = exam.fetch_one(pool.get_ref()).await;
    exam.map_err(ErrorInternalServerError)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    // The database lives as long as its last connection.
    let options = SqlitePoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = options.connect_lazy("sqlite::memory:");
    let pool = pool.map_err(std::io::Error::other)?;
    let (board, pool) = (web::Data::new(Board::new()), web::Data::new(pool));
    let server = HttpServer::new(move || {
        App::new()
            .service(service(board.clone()))
            .route("/exams/{id}", web::get().to(exam))
            .app_data(pool.clone())
            .wrap(from_fn(scoped))
    });
    let server = server.workers(1).bind("127.0.0.1:0")?;
    println!("http://{}/leash", server.addrs()[0]);
    server.run().await
}
