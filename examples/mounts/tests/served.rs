//! Each program serves the page, and the guide shows how it is written.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A program, ended when the test ends.
struct Served {
    process: Child,
    address: String,
}

impl Served {
    fn start(program: &str) -> Self {
        let mut process = Command::new(program)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("http://")
            .and_then(|line| line.strip_suffix("/leash"));
        let address = address
            .unwrap_or_else(|| panic!("no address: {line}"))
            .to_owned();
        Self { process, address }
    }

    fn ask(&self, method: &str, path: &str, host: &str) -> String {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[track_caller]
fn check(program: &str) {
    let served = Served::start(program);
    for path in ["/leash", "/leash/"] {
        let page = served.ask("GET", path, "localhost");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        assert!(
            head.contains("content-security-policy: default-src 'none'"),
            "{head}"
        );
        assert_eq!(head.matches("\r\ncontent-type:").count(), 1, "{head}");
        assert!(
            head.contains("content-type: text/html; charset=utf-8"),
            "{head}"
        );
        assert!(body.contains("<title>sqlx-leash</title>"));
    }
    let state = served.ask("GET", "/leash/state.json?sort=calls", "localhost");
    assert!(
        state.contains("application/json") && state.contains("\"program\":"),
        "{state}"
    );
    let text = served.ask("GET", "/leash/state.json?format=text", "localhost");
    assert!(text.contains("text/plain; charset=utf-8"), "{text}");
    let head = served.ask("HEAD", "/leash", "localhost");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    for (method, path, host, status) in [
        ("GET", "/leash", "evil.example", 403),
        ("POST", "/leash", "localhost", 405),
        ("GET", "/leash/nothing", "localhost", 404),
    ] {
        let answer = served.ask(method, path, host);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[test]
fn axum() {
    check(env!("CARGO_BIN_EXE_axum"));
}

#[test]
fn actix() {
    check(env!("CARGO_BIN_EXE_actix"));
}

/// Answers two exams and a path that is none, and returns what the page shows then.
#[cfg(feature = "leash")]
#[track_caller]
fn state_after_exams(program: &str) -> String {
    let served = Served::start(program);
    for id in [7, 8] {
        let exam = served.ask("GET", &format!("/exams/{id}"), "localhost");
        assert!(exam.starts_with("HTTP/1.1 200 OK\r\n"), "{exam}");
        assert!(exam.ends_with(&format!("exam {id}")), "{exam}");
    }
    let nothing = served.ask("GET", "/of/the/client", "localhost");
    assert!(nothing.starts_with("HTTP/1.1 404 "), "{nothing}");
    let state = served.ask("GET", "/leash/state.json", "localhost");
    assert!(
        !state.contains("/of/the/client") && !state.contains("/exams/7"),
        "{state}"
    );
    state
}

/// A statement of an actix handler belongs to the scope of its request.
#[cfg(feature = "leash")]
#[test]
fn actix_names_its_requests() {
    let state = state_after_exams(env!("CARGO_BIN_EXE_actix"));
    assert!(state.contains("\"function\":\"/exams/{id}\""), "{state}");
}

#[cfg(feature = "leash")]
#[test]
fn requests_are_counted_by_their_routes() {
    let state = state_after_exams(env!("CARGO_BIN_EXE_requests"));
    let row = "\"name\":\"GET /exams/{id}\",\"requests\":2,";
    assert!(state.contains(row), "{state}");
    assert!(state.contains("\"name\":\"GET <unmatched>\""), "{state}");
}

/// The page as a service is the page.
#[test]
fn requests_have_the_page() {
    check(env!("CARGO_BIN_EXE_requests"));
}

#[test]
fn hyper() {
    check(env!("CARGO_BIN_EXE_hyper"));
}

#[test]
fn the_guide_shows_these_programs() {
    let folder = env!("CARGO_MANIFEST_DIR");
    for (page, part, program) in [
        ("board", "mount", "axum"),
        ("board", "mount", "actix"),
        ("board", "mount", "hyper"),
        ("requests", "requests", "axum"),
        ("requests", "requests", "actix"),
    ] {
        let guide = format!("{folder}/../../runtime/src/guide/{page}.md");
        let guide = fs::read_to_string(guide).unwrap();
        let source = match (part, program) {
            ("requests", "axum") => "requests",
            _ => program,
        };
        let source = fs::read_to_string(format!("{folder}/src/{source}.rs")).unwrap();
        let (_, shown) = source
            .split_once(&format!("// {part}: {program}\n"))
            .unwrap();
        let (shown, _) = shown.split_once(&format!("// {part}: end\n")).unwrap();
        assert!(
            guide.contains(shown),
            "the guide's page `{page}` has to show, for {program}:\n{shown}"
        );
    }
}
