//! A page for Prometheus on a plain thread, for a program without a web framework.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Answers every request with what `render` returns, for the rest of the process. Returns the address.
///
/// One request at a time, and a second for each: it is for a scraper on the same machine.
pub fn serve(
    address: SocketAddr,
    render: impl Fn() -> String + Send + 'static,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away is none of ours.
            let _ = stream.and_then(|stream| answer(&stream, &render()));
        }
    });
    Ok(address)
}

fn answer(stream: &TcpStream, page: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    let lines = BufReader::new(stream).lines();
    for line in lines.take(100) {
        if line?.is_empty() {
            break;
        }
    }
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}
