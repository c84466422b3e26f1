//! A small HTTP/1.1 server on plain threads, for the page alone.
//!
//! It has no runtime, so that it answers while one stands still, and it serves one request per connection. What a client
//! can take is bounded: the bytes of a request, the time for it and for the answer, and the connections at once, each of
//! which has a thread. Where they are all taken, the oldest one is closed for a new one, so that clients that send nothing
//! keep nobody out.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::answers::Board;
use super::response::Response;
use crate::sync;

/// The connections that are served at once.
const CONNECTIONS: usize = 16;
/// The bytes of a request, without a body.
const REQUEST: usize = 8 << 10;
/// The headers of a request.
const HEADERS: usize = 64;
/// The time that a client may take to send its request.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// The time that a client may take to receive the answer.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);
/// The time in which what a client still sends is read, so that it receives the answer.
const LINGER: Duration = Duration::from_secs(1);
/// The time in which a connection that was closed for a new one ends.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// The pause after an accept that failed, for want of file descriptors say.
const PAUSE: Duration = Duration::from_millis(100);

impl Board {
    /// Serves the page from a thread of its own, which answers also while an async runtime stands still. Returns the address
    /// at which it listens; port 0 is any free one. The thread stays for the rest of the process.
    ///
    /// # Errors
    ///
    /// The address is in use, is none, or is not a loopback address and the page is not
    /// [exposed](Self::expose_without_auth).
    pub fn listen(self, address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        if self.exposed.is_none()
            && let Some(address) = addresses.iter().find(|it| !it.ip().is_loopback())
        {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{address} can be reached from other machines, and the page asks nobody who they are: listen at 127.0.0.1, \
                     or say why anybody may read it: `Board::new().expose_without_auth(\"…\")`"
                ),
            ));
        }
        #[cfg(feature = "track")]
        let exposed = self.exposed.clone();
        let address = serve(self, &addresses)?;
        #[cfg(feature = "track")]
        crate::log::board(address, exposed.as_deref());
        Ok(address)
    }
}

/// Serves `board` at the first of these addresses that is free.
fn serve(board: Board, addresses: &[SocketAddr]) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(addresses)?;
    let address = listener.local_addr()?;
    let server = Arc::new(Server {
        board,
        open: Mutex::new(Open::default()),
        ended: Condvar::new(),
    });
    thread::Builder::new()
        .name("sqlx-leash-board".to_owned())
        .spawn(move || accept(&listener, &server))?;
    Ok(address)
}

struct Server {
    board: Board,
    open: Mutex<Open>,
    /// Notified when a connection has ended.
    ended: Condvar,
}

/// The connections that are open, oldest first.
#[derive(Default)]
struct Open {
    connections: Vec<(u64, TcpStream)>,
    next: u64,
}

fn accept(listener: &TcpListener, server: &Arc<Server>) {
    loop {
        match listener.accept() {
            Ok((client, _)) => {
                // A client that cannot be admitted is closed.
                if let Some(admitted) = Admitted::new(server, client) {
                    let thread = thread::Builder::new().name("sqlx-leash-board".to_owned());
                    let _ = thread.spawn(move || admitted.serve());
                }
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// One of the connections that are served.
struct Admitted {
    server: Arc<Server>,
    number: u64,
    client: TcpStream,
}

impl Admitted {
    /// Admits a client. Where all connections are taken, it closes the oldest one for that.
    fn new(server: &Arc<Server>, client: TcpStream) -> Option<Self> {
        let mut open = sync::lock(&server.open);
        if open.connections.len() >= CONNECTIONS {
            for (_, oldest) in open.connections.iter().take(1) {
                let _ = oldest.shutdown(Shutdown::Both);
            }
            open = sync::wait_while(&server.ended, open, Some(ENDS_WITHIN), |open| {
                open.connections.len() >= CONNECTIONS
            });
        }
        if open.connections.len() >= CONNECTIONS {
            return None;
        }
        let number = open.next;
        open.next += 1;
        open.connections.push((number, client.try_clone().ok()?));
        Some(Self {
            server: Arc::clone(server),
            number,
            client,
        })
    }

    fn serve(self) {
        // A client that fails is gone, and nobody has to know.
        let _ = self.answer();
    }

    fn answer(&self) -> io::Result<()> {
        let (response, is_head) = self.respond(&self.request()?);
        self.write(&written(&response, is_head))?;
        self.client.shutdown(Shutdown::Write)?;
        self.linger()
    }

    /// Reads up to the end of the head.
    fn request(&self) -> io::Result<Vec<u8>> {
        let until = Instant::now() + READ_WITHIN;
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while request.len() < REQUEST && !is_whole(&request) {
            self.client.set_read_timeout(Some(left(until)?))?;
            match (&self.client).read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => request.extend_from_slice(&buffer[..read]),
            }
        }
        Ok(request)
    }

    /// The answer to a request, and whether it is one to HEAD.
    fn respond(&self, request: &[u8]) -> (Response, bool) {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        match head.parse(request) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return (Response::refused(431, "the request is too large"), false);
            }
            Err(_) => return (Response::refused(400, "this is no HTTP request"), false),
        }
        let (Some(method), Some(path)) = (head.method, head.path) else {
            return (Response::refused(400, "this is no HTTP request"), false);
        };
        let mut hosts = head
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case("host"));
        let host = hosts
            .next()
            .and_then(|header| std::str::from_utf8(header.value).ok());
        // A second host, or one in the target, would leave open which one was meant.
        if hosts.next().is_some() || !path.starts_with('/') {
            return (
                Response::refused(400, "the request names its host twice"),
                false,
            );
        }
        let response = self.server.board.respond(method, path, host);
        (response, method == "HEAD")
    }

    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        let until = Instant::now() + WRITTEN_WITHIN;
        while !bytes.is_empty() {
            self.client.set_write_timeout(Some(left(until)?))?;
            match (&self.client).write(bytes)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        Ok(())
    }

    /// Reads what the client still sends. A connection that is closed with bytes unread is reset, and the client may lose the
    /// answer.
    fn linger(&self) -> io::Result<()> {
        let until = Instant::now() + LINGER;
        let mut buffer = [0; 1024];
        loop {
            self.client.set_read_timeout(Some(left(until)?))?;
            if (&self.client).read(&mut buffer)? == 0 {
                return Ok(());
            }
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = sync::lock(&self.server.open);
        open.connections
            .retain(|(number, _)| *number != self.number);
        self.server.ended.notify_all();
    }
}

/// The time that is left until then; an error if none is.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Whether the head of a request has ended.
fn is_whole(request: &[u8]) -> bool {
    request.windows(4).any(|end| end == b"\r\n\r\n")
}

/// The bytes of an answer.
fn written(response: &Response, is_head: bool) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {} {}\r\n",
        response.status,
        reason(response.status)
    );
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !is_head {
        head += &format!("content-length: {}\r\n", response.body.len());
    }
    head += "connection: close\r\n\r\n";
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&response.body);
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "Error",
    }
}
