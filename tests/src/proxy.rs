//! A proxy between a pool and its server, which causes network faults.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// Forwards the bytes between clients and a server, until a test sets another [`Fate`].
#[derive(Debug)]
pub struct Proxy {
    /// The address that the proxy listens at.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: String,
    links: Mutex<Vec<Arc<Link>>>,
    /// The fate of connections that are opened from now on.
    welcome: Mutex<Fate>,
    /// The number of bytes swallowed so far.
    swallowed: AtomicU64,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Every byte is forwarded.
    Passed,
    /// Each chunk is forwarded after this delay.
    Delayed(Duration),
    /// No byte is forwarded any more, and neither end is notified.
    Swallowed,
    /// Both ends see the connection end.
    Cut(Cut),
    /// The connection is cut after this number of bytes from the server.
    CutAfter(usize, Cut),
    /// The connection is swallowed after this number of bytes from the server.
    SwallowedAfter(usize),
    /// The client sees the end of the server's bytes, and can still send.
    HalfClosed,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// An orderly end: FIN.
    Closed,
    /// An immediate end that loses the bytes in flight: RST.
    Reset,
}

/// Both ends of a connection.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    fate: Mutex<Fate>,
}

/// The end that sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Client,
    Server,
}

impl Proxy {
    /// A proxy to this server, at any free local port.
    pub fn to(host: &str, port: u16) -> Self {
        Self::on(0, host, port)
    }

    /// A proxy at this local port.
    pub fn on(own_port: u16, host: &str, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", own_port)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server: format!("{host}:{port}"),
            links: Mutex::default(),
            welcome: Mutex::new(Fate::Passed),
            swallowed: AtomicU64::new(0),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                own.welcome(client.unwrap());
            }
        });
        Self { address, shared }
    }

    /// Sets the fate of the connections that are opened from now on.
    pub fn meets_new_ones_with(&self, fate: Fate) {
        *self.shared.welcome.lock().unwrap() = fate;
    }

    /// Sets the fate of the connections that are open now.
    pub fn treats(&self, fate: Fate) {
        let links = self.shared.links().clone();
        for link in &links {
            self.shared.treats(link, fate);
        }
        if let Fate::Cut(_) = fate {
            // A reset is sent when the last owner closes the socket.
            let deadline = Instant::now() + Duration::from_mins(1);
            while links.iter().any(|link| Arc::strong_count(link) > 1) {
                assert!(Instant::now() < deadline, "a connection is not cut");
                thread::yield_now();
            }
        }
    }

    /// The number of bytes swallowed so far.
    pub fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(SeqCst)
    }
}

impl Shared {
    fn links(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        self.links.lock().unwrap()
    }

    fn treats(&self, link: &Arc<Link>, fate: Fate) {
        link.meets(fate);
        if let Fate::Cut(_) = fate {
            self.links().retain(|other| !Arc::ptr_eq(other, link));
        }
    }

    fn welcome(self: &Arc<Self>, client: TcpStream) {
        let fate = *self.welcome.lock().unwrap();
        // A server that is down refuses connections. A proxy has accepted already, so it closes the connection.
        let Ok(server) = TcpStream::connect(&self.server) else {
            end(&client, Cut::Reset);
            return;
        };
        for end in [&client, &server] {
            end.set_nodelay(true).unwrap();
        }
        let link = Arc::new(Link {
            client,
            server,
            fate: Mutex::new(Fate::Passed),
        });
        self.links().push(Arc::clone(&link));
        self.treats(&link, fate);
        for speaker in [Speaker::Client, Speaker::Server] {
            let (own, link) = (Arc::clone(self), Arc::clone(&link));
            thread::spawn(move || own.pass_on(&link, speaker));
        }
    }

    /// Forwards the bytes of one end until that end sends no more.
    fn pass_on(&self, link: &Arc<Link>, speaker: Speaker) {
        let (mut from, mut to) = match speaker {
            Speaker::Client => (&link.client, &link.server),
            Speaker::Server => (&link.server, &link.client),
        };
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let (passed, then) = link.takes(speaker, read);
            if let Fate::Delayed(time) = then {
                thread::sleep(time);
            }
            if to.write_all(&buffer[..passed]).is_err() {
                break;
            }
            self.swallowed.fetch_add((read - passed) as u64, SeqCst);
            if let Fate::Cut(_) = then {
                self.treats(link, then);
                return;
            }
        }
        if !matches!(*link.fate.lock().unwrap(), Fate::Swallowed | Fate::Cut(_)) {
            let _ = to.shutdown(Shutdown::Both);
        }
    }
}

impl Link {
    /// The number of received bytes to forward, and the connection's fate afterwards.
    fn takes(&self, speaker: Speaker, said: usize) -> (usize, Fate) {
        let mut fate = self.fate.lock().unwrap();
        let (passed, next) = match (*fate, speaker) {
            (Fate::Swallowed | Fate::Cut(_), _) | (Fate::HalfClosed, Speaker::Server) => (0, *fate),
            (Fate::CutAfter(left, cut), Speaker::Server) if said >= left => (left, Fate::Cut(cut)),
            (Fate::CutAfter(left, cut), Speaker::Server) => {
                (said, Fate::CutAfter(left - said, cut))
            }
            (Fate::SwallowedAfter(left), Speaker::Server) if said >= left => {
                (left, Fate::Swallowed)
            }
            (Fate::SwallowedAfter(left), Speaker::Server) => {
                (said, Fate::SwallowedAfter(left - said))
            }
            (fate, _) => (said, fate),
        };
        *fate = next;
        (passed, next)
    }

    fn meets(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
        match fate {
            Fate::Cut(cut) => {
                for stream in [&self.client, &self.server] {
                    end(stream, cut);
                }
            }
            Fate::HalfClosed => _ = self.client.shutdown(Shutdown::Write),
            _ => {}
        }
    }
}

/// Ends this side of a connection. In case of a reset, the peer sees it once the last owner drops the socket.
fn end(stream: &TcpStream, how: Cut) {
    // An error means that the peer has closed the connection already.
    let _ = match how {
        Cut::Closed => stream.shutdown(Shutdown::Both),
        Cut::Reset => SockRef::from(stream)
            .set_linger(Some(Duration::ZERO))
            .and_then(|()| stream.shutdown(Shutdown::Read)),
    };
}
