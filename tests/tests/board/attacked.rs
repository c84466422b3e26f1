//! Clients that send nothing, too much, too slowly, or no HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use sqlx::leash::board;

use crate::common::{get, received, sent};

fn server() -> SocketAddr {
    board::listen("127.0.0.1:0").unwrap()
}

/// The server serves a client at once, however many others hang on it.
#[track_caller]
fn assert_serves(server: SocketAddr) {
    let begun = Instant::now();
    let answer = get(server, "/state.json");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with('}'));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_request_has_one_answer_and_the_connection_ends() {
    let server = server();
    let answer = get(server, "/");
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert!(
        head.contains(&format!("\r\ncontent-length: {}\r\n", page.len())),
        "{head}"
    );
    let head = sent(server, b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let two = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = sent(server, two);
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && !answer.contains("200 OK"),
        "{answer}"
    );
}

#[test]
fn what_is_no_request_of_this_page_is_refused() {
    let server = server();
    for (request, status) in [
        ("\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\n\r\n", 400),
        ("GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 403),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
            400,
        ),
        (
            "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
        ),
        (
            "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
            405,
        ),
        (
            "DELETE /state.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
            405,
        ),
        (
            "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
            404,
        ),
    ] {
        let answer = sent(server, request.as_bytes());
        let line = answer.lines().next().unwrap_or_default();
        assert!(
            line.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
        assert!(!answer.contains("<script>"));
    }
    assert_serves(server);
}

#[test]
fn a_request_without_end_is_cut() {
    let server = server();
    let mut client = TcpStream::connect(server).unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        .unwrap();
    let line = b"X-Filler: 0123456789012345678901234567890123456789\r\n";
    // For a second, the server reads on, so that the client receives its answer. Then a write fails.
    let begun = Instant::now();
    while client.write_all(line).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    let headers = "X: y\r\n".repeat(200);
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let answer = self::sent(server, request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_serves(server);
}

#[test]
fn a_client_that_sends_nothing_is_closed() {
    let server = server();
    let begun = Instant::now();
    let mut client = TcpStream::connect(server).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let read = client.read(&mut [0; 16]);
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_client_that_sends_a_byte_at_a_time_is_closed() {
    let server = server();
    let mut client = TcpStream::connect(server).unwrap();
    let begun = Instant::now();
    // Each byte comes well within any time between two bytes.
    while begun.elapsed() < Duration::from_secs(30) && client.write_all(b"G").is_ok() {
        thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn clients_that_hang_on_keep_nobody_out() {
    let server = server();
    let begun = Instant::now();
    let mut idle = Vec::new();
    for number in 0..200 {
        let mut client = TcpStream::connect(server).unwrap();
        if number % 2 == 0 {
            let _ = client.write_all(b"GET / HTTP/1.1\r\nHost: loc");
        }
        idle.push(client);
        if number % 20 == 0 {
            assert_serves(server);
        }
    }
    assert_serves(server);
    assert!(begun.elapsed() < Duration::from_mins(1));
}

#[test]
fn clients_that_do_not_read_keep_nobody_out() {
    let server = server();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let deaf: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut client = TcpStream::connect(server).unwrap();
            client.write_all(request).unwrap();
            client
        })
        .collect();
    assert_serves(server);
    drop(deaf);
    assert_serves(server);
}

#[test]
fn a_body_that_nobody_asked_for_does_not_take_the_answer_away() {
    let server = server();
    let mut client = TcpStream::connect(server).unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16777216\r\n\r\n";
    client.write_all(head).unwrap();
    client.write_all(&vec![b'x'; 16 << 20]).unwrap();
    let answer = received(&mut client);
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

/// The threads of this process that serve connections, and the one that accepts them.
#[cfg(target_os = "linux")]
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names
        .filter(|name| name.starts_with("sqlx-leash-boar"))
        .count()
}

/// In its own process, because it counts threads.
#[cfg(target_os = "linux")]
#[test]
fn there_are_never_more_threads_than_connections_that_are_served() {
    leash_tests::in_child(
        "attacked::there_are_never_more_threads_than_connections_that_are_served",
        &[],
        |_| {
            let server = server();
            let mut clients = Vec::new();
            let mut most = 0;
            for _ in 0..100 {
                clients.push(TcpStream::connect(server).unwrap());
                most = most.max(threads());
            }
            assert_serves(server);
            // One for each connection, and the one that accepts them. Those that are ending count for a moment, too.
            assert!(most < 2 * 16, "{most}");
            // The clients that were admitted last are served. A thread has its name a moment after it was started.
            let begun = Instant::now();
            while threads() != 1 + 15 {
                assert!(begun.elapsed() < Duration::from_secs(4), "{}", threads());
                std::thread::yield_now();
            }
        },
    );
}
