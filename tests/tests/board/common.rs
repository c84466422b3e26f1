//! Requests to the page, sent by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use sqlx::leash::board::{Board, Response};

/// What `/state.json` returns.
pub(crate) fn state_of(board: &Board) -> Value {
    let response = board.respond("GET", "/state.json", "localhost");
    assert_eq!(response.status, 200);
    serde_json::from_slice(&response.body).unwrap()
}

pub(crate) fn body(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

/// Sends these bytes, and returns all that comes back until the connection is closed.
pub(crate) fn sent(to: SocketAddr, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(to).unwrap();
    connection.write_all(bytes).unwrap();
    received(&mut connection)
}

/// All that comes until the connection is closed. A connection that is reset ends, too.
pub(crate) fn received(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

pub(crate) fn get(to: SocketAddr, path: &str) -> String {
    sent(
        to,
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes(),
    )
}
