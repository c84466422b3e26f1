//! The page in a service on actix-web, at `/leash`.

use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Scope, web};
use sqlx::leash::board::Board;

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

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let board = web::Data::new(Board::new());
    let server = HttpServer::new(move || App::new().service(service(board.clone())));
    let server = server.workers(1).bind("127.0.0.1:0")?;
    println!("http://{}/leash", server.addrs()[0]);
    server.run().await
}
