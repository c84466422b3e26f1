//! Requests in a server of axum, over real connections.

#![cfg(feature = "leash")]

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Path, State};
use axum::routing::{get, post};
use bytes::Bytes;
use futures::StreamExt;
use sqlx::leash::tower::{RequestLayer, board_service};
use sqlx::leash::{self, Lint, RequestStats};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqlitePool, track};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

async fn ask(pool: &SqlitePool, sql: &'static str) {
    sqlx::query(sql).fetch_all(pool).await.unwrap();
}

async fn exam(State(pool): State<SqlitePool>, Path(_): Path<i64>) -> &'static str {
    ask(&pool, "SELECT 'exam'").await;
    "exam"
}

/// Sends a statement for each item of its body.
async fn items(State(pool): State<SqlitePool>) -> Body {
    ask(&pool, "SELECT 'head'").await;
    let items = futures::stream::iter(0..5).then(move |_| {
        let pool = pool.clone();
        async move {
            ask(&pool, "SELECT 'item'").await;
            Ok::<_, Infallible>(Bytes::from_static(b"item "))
        }
    });
    Body::from_stream(items)
}

/// Has a body without an end, with a connection in it.
async fn endless(State(pool): State<SqlitePool>) -> Body {
    let connection = pool.acquire().await.unwrap();
    let first = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first"))]);
    let rest = futures::stream::pending().map(move |item| {
        _ = &connection;
        item
    });
    Body::from_stream(first.chain(rest))
}

async fn never(State(pool): State<SqlitePool>) -> &'static str {
    ask(&pool, "SELECT 'never'").await;
    pending().await
}

#[track]
async fn one_by_one(State(pool): State<SqlitePool>) -> &'static str {
    for id in 0..12 {
        sqlx::query("SELECT name FROM sqlite_schema WHERE rootpage = ?")
            .bind(id)
            .fetch_all(&pool)
            .await
            .unwrap();
    }
    "one by one"
}

fn app(pool: SqlitePool, prefix: &'static str) -> Router {
    let layer = RequestLayer::new(|request| {
        let matched = request.extensions.get::<MatchedPath>();
        matched.map(MatchedPath::as_str)
    });
    let exams = Router::new()
        .route("/{id}", get(exam).post(exam))
        .route("/items", get(items));
    let clinic = Router::new()
        .nest("/exams", exams)
        .route("/endless", get(endless))
        .route("/never", get(never))
        .route("/one-by-one", post(one_by_one));
    Router::new()
        .nest(prefix, clinic)
        .with_state(pool)
        .layer(layer)
        .nest_service("/leash", board_service())
}

/// A server, and its address.
async fn serve(prefix: &'static str) -> (SqlitePool, std::net::SocketAddr) {
    let options = SqlitePoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = options.connect("sqlite::memory:").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app(pool.clone(), prefix)).into_future());
    (pool, address)
}

/// Sends a request, and returns the connection.
async fn send(address: std::net::SocketAddr, method: &str, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

/// The whole answer to a request.
async fn answer(address: std::net::SocketAddr, method: &str, path: &str) -> String {
    let mut connection = send(address, method, path).await;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

fn row(method: &str, route: &str) -> Option<RequestStats> {
    let mut rows = leash::snapshot().requests.into_iter();
    rows.find(|row| row.method == method && row.route == route)
}

/// The row once it is as it has to be: a server drops a body after its client has read it.
async fn row_when(
    method: &str,
    route: &str,
    is_so: impl Fn(&RequestStats) -> bool,
) -> RequestStats {
    let looks = async {
        loop {
            if let Some(row) = row(method, route).filter(&is_so) {
                return row;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let found = timeout(Duration::from_secs(30), looks).await;
    found.unwrap_or_else(|_| panic!("{:#?}", row(method, route)))
}

#[tokio::test]
async fn nested_routes_have_their_whole_name() {
    let (_, address) = serve("/nested").await;
    for id in 0..3 {
        let exam = answer(address, "GET", &format!("/nested/exams/{id}")).await;
        assert!(exam.ends_with("\r\n\r\nexam"), "{exam}");
        // This is a debug build.
        let timing = "server-timing: db;dur=";
        assert!(exam.contains(timing), "{exam}");
        assert!(exam.contains(";desc=\"1 query\", db_wait;dur="), "{exam}");
    }
    let row = row_when("GET", "/nested/exams/{id}", |row| row.answered == 3).await;
    assert_eq!(
        (row.requests, row.statements, row.most_statements),
        (3, 3, 1)
    );
    let head = answer(address, "HEAD", "/nested/exams/1").await;
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    row_when("HEAD", "/nested/exams/{id}", |row| row.answered == 1).await;
    for number in 0..50 {
        answer(address, "GET", &format!("/nested/exams/1/{number}")).await;
        answer(address, &format!("METHOD{number}"), "/nested/exams/1").await;
    }
    let unmatched = row_when("GET", "<unmatched>", |row| row.answered >= 50).await;
    assert!(unmatched.statuses.client_error >= 50);
    let other = row_when("_OTHER", "/nested/exams/{id}", |row| row.answered == 50).await;
    assert_eq!(other.statements, 0);
    let snapshot = leash::snapshot();
    assert!(snapshot.to_string().contains("GET /nested/exams/{id}"));
}

#[tokio::test]
async fn a_streamed_body_counts_to_its_end() {
    let (_, address) = serve("/streamed").await;
    let items = answer(address, "GET", "/streamed/exams/items").await;
    assert_eq!(items.matches("item ").count(), 5, "{items}");
    let row = row_when("GET", "/streamed/exams/items", |row| row.answered == 1).await;
    assert_eq!(
        (row.statements, row.cancelled, row.repeated.len()),
        (6, 0, 1)
    );
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_request() {
    let (pool, address) = serve("/gone").await;
    let connection = send(address, "GET", "/gone/never").await;
    row_when("GET", "/gone/never", |row| row.in_flight() == 1).await;
    drop(connection);
    let row = row_when("GET", "/gone/never", |row| row.cancelled == 1).await;
    assert_eq!((row.requests, row.answered), (1, 0));

    let mut connection = send(address, "GET", "/gone/endless").await;
    let mut head = [0; 1];
    connection.read_exact(&mut head).await.unwrap();
    let handles = leash::snapshot().handles;
    let in_body = |handle: &leash::HandleInfo| handle.scope.as_deref() == Some("GET /gone/endless");
    assert_eq!(handles.iter().filter(|it| in_body(it)).count(), 1);
    drop(connection);
    row_when("GET", "/gone/endless", |row| row.cancelled == 1).await;
    assert!(!leash::snapshot().handles.iter().any(in_body));
    drop(pool);
}

#[tokio::test]
async fn a_repeated_query_names_its_request() {
    static FOUND: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    leash::on_finding(|finding| {
        if finding.lint == Lint::NPlusOne {
            FOUND.lock().unwrap().push(finding.title.clone());
        }
    });
    let (_, address) = serve("/repeats").await;
    let answered = answer(address, "POST", "/repeats/one-by-one").await;
    assert!(answered.ends_with("one by one"), "{answered}");
    row_when("POST", "/repeats/one-by-one", |row| row.answered == 1).await;
    let found = FOUND.lock().unwrap();
    let [title] = &found[..] else {
        panic!("{found:?}");
    };
    assert!(title.ends_with("with 12 different arguments"), "{title}");
    assert!(
        title.contains("12 times in one call of POST /repeats/one-by-one"),
        "{title}"
    );
}

/// Many clients at once: each request has its own statements.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_are_apart() {
    let (_, address) = serve("/at-once").await;
    let clients = (0..40).map(|number| async move {
        let path = ["exams/1", "exams/items"][number % 2];
        answer(address, "GET", &format!("/at-once/{path}")).await
    });
    futures::future::join_all(clients).await;
    let one = row_when("GET", "/at-once/exams/{id}", |row| row.answered == 20).await;
    assert_eq!((one.statements, one.most_statements), (20, 1));
    let six = row_when("GET", "/at-once/exams/items", |row| row.answered == 20).await;
    assert_eq!((six.statements, six.most_statements), (120, 6));
}
