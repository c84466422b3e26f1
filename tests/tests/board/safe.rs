//! To whom the page answers, and with what.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};

use serde_json::Value;
use sqlx::leash::board::{self, Board, Response};
use sqlx::track;

use crate::common::{body, get, sent, state_of};
use crate::programs::pool;

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    let headers = response.headers.iter();
    let mut values = headers
        .filter(|(it, _)| *it == name)
        .map(|(_, value)| *value);
    let value = values.next().unwrap_or_else(|| panic!("{name} is missing"));
    assert!(values.next().is_none(), "{name} comes twice");
    value
}

#[test]
fn every_answer_says_what_a_browser_may_do_with_it() {
    let board = Board::new();
    for (method, path, host) in [
        ("GET", "/", "localhost"),
        ("HEAD", "/", "localhost"),
        ("GET", "/state.json", "localhost"),
        ("GET", "/state.json?format=text", "localhost"),
        ("GET", "/nothing", "localhost"),
        ("POST", "/", "localhost"),
        ("GET", "/", "evil.example"),
    ] {
        let response = board.respond(method, path, host);
        let policy = header(&response, "content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'sha256-",
            "style-src 'sha256-",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(directive), "{path}: {directive}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'));
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(header(&response, "referrer-policy"), "no-referrer");
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "x-frame-options"), "DENY");
        assert_eq!(
            header(&response, "cross-origin-resource-policy"),
            "same-origin"
        );
        assert!(
            response
                .headers
                .iter()
                .all(|(name, _)| !name.starts_with("access-control"))
        );
    }
}

#[test]
fn it_shows_and_does_nothing() {
    let board = Board::new();
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "",
    ] {
        let response = board.respond(method, "/", "localhost");
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(header(&response, "allow"), "GET, HEAD");
    }
    for path in [
        "/reset",
        "/close",
        "/cancel",
        "/freeze",
        "/favicon.ico",
        "/../",
        "/state.json/x",
    ] {
        assert_eq!(
            board.respond("GET", path, "localhost").status,
            404,
            "{path}"
        );
    }
    let page = board.respond("GET", "/", "localhost");
    let head = board.respond("HEAD", "/", "localhost");
    assert_eq!((head.status, &head.headers), (200, &page.headers));
    assert!(head.body.is_empty() && !page.body.is_empty());
    for (path, host, status) in [("/nothing", "localhost", 404), ("/", "evil.example", 403)] {
        let head = board.respond("HEAD", path, host);
        assert_eq!((head.status, head.body.len()), (status, 0), "{path}");
    }
}

#[test]
fn a_site_whose_name_leads_here_cannot_read_it() {
    for path in ["/", "/state.json", "/state.json?format=text"] {
        for host in [
            Some("evil.example"),
            Some("localhost.evil.example:6670"),
            Some(""),
            None,
        ] {
            let response = board::respond("GET", path, host);
            assert_eq!(response.status, 403, "{path} of {host:?}");
            assert!(body(&response).len() < 200);
        }
        for host in ["localhost:6670", "127.0.0.1:6670", "[::1]:6670"] {
            assert_eq!(
                board::respond("GET", path, host).status,
                200,
                "{path} of {host}"
            );
        }
    }
    let behind_a_login = Board::new().allow_host("exams.example");
    assert_eq!(
        behind_a_login.respond("GET", "/", "exams.example").status,
        200
    );
    assert_eq!(
        behind_a_login.respond("GET", "/", "evil.example").status,
        403
    );
}

#[test]
fn only_this_machine_can_be_listened_to_unless_a_reason_is_given() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = board::listen(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{address}");
        assert!(
            refused.to_string().contains("expose_without_auth"),
            "{refused}"
        );
    }
    for address in ["127.0.0.1:0", "localhost:0"] {
        let address = board::listen(address).unwrap();
        assert!(address.ip().is_loopback());
        assert!(get(address, "/").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let exposed = Board::new().expose_without_auth("only the test's own network");
    let address = exposed.listen("0.0.0.0:0").unwrap();
    let here = ([127, 0, 0, 1], address.port()).into();
    let answer = sent(
        here,
        b"GET /state.json HTTP/1.1\r\nHost: any.example\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("only the test's own network"));
}

#[test]
#[should_panic(expected = "`expose_without_auth` takes the reason")]
fn the_reason_is_not_empty() {
    let _board = Board::new().expose_without_auth(" ");
}

#[test]
fn nothing_listens_unless_it_is_called() {
    // A port that was free a moment ago stays free when the page is made and read.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let _page = Board::new().respond("GET", "/", "localhost");
    assert!(TcpStream::connect(port).is_err());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = board::listen(taken.local_addr().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

const SECRET: &str = "Adler, Agathe";

#[track]
async fn look_up(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT ? AS name, 'a literal' AS text")
        .bind(SECRET)
        .fetch_one(&mut *tx)
        .await?;
    let state = state_of(&Board::new()).to_string();
    assert!(!state.contains(SECRET), "{state}");
    assert!(state.contains("a literal"));
    let summaries = state_of(&Board::new().summaries_only()).to_string();
    assert!(!summaries.contains("a literal"), "{summaries}");
    tx.commit().await
}

#[tokio::test]
async fn no_bound_value_is_shown_and_texts_can_be_left_out() {
    let pool = pool("names", 1).await;
    look_up(&pool).await.unwrap();
    for query in ["", "?format=text"] {
        let path = format!("/state.json{query}");
        let shown = body(&board::respond("GET", &path, "localhost"));
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[tokio::test]
async fn neither_the_user_nor_the_password_of_a_pool_is_shown() {
    use sqlx::postgres::PgPoolOptions;
    use std::time::Duration;

    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://eyedoctor:hunter2@127.0.0.1:{port}/eyes");
    let board = Board::new();
    let options = PgPoolOptions::new().acquire_timeout(Duration::from_millis(600));
    let pool = options.connect_lazy(&url).unwrap();
    pool.acquire().await.unwrap_err();
    let state: Value = state_of(&board);
    let shown = state.to_string() + &body(&board.respond("GET", "/?format=text", "localhost"));
    assert!(shown.contains("/eyes"), "the pool is on the page: {shown}");
    assert!(
        !shown.contains("eyedoctor") && !shown.contains("hunter2"),
        "{shown}"
    );
}
