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

#[test]
fn hyper() {
    check(env!("CARGO_BIN_EXE_hyper"));
}

#[test]
fn the_guide_shows_these_programs() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let guide = fs::read_to_string(format!("{folder}/../../runtime/src/guide/board.md")).unwrap();
    for name in ["axum", "actix", "hyper"] {
        let source = fs::read_to_string(format!("{folder}/src/{name}.rs")).unwrap();
        let (_, mount) = source.split_once(&format!("// mount: {name}\n")).unwrap();
        let (mount, _) = mount.split_once("// mount: end\n").unwrap();
        assert!(
            guide.contains(mount),
            "the guide's page `board` has to show, for {name}:\n{mount}"
        );
    }
}
