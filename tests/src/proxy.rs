//! What stands between a pool and its server, and does to their conversation what networks do.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// Passes on what a client and a server say to each other, until it is told otherwise.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: String,
    links: Mutex<Vec<Arc<Link>>>,
    /// What happens to connections that are made from now on.
    welcome: Mutex<Fate>,
    /// Bytes that were swallowed.
    swallowed: AtomicU64,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All is passed on.
    Passed,
    /// Each piece is passed on after this time.
    Delayed(Duration),
    /// Nothing is passed on any more, and nobody is told.
    Swallowed,
    /// Both ends are told that it is over.
    Cut(Cut),
    /// After the server has said so many bytes more, it is cut.
    CutAfter(usize, Cut),
    /// After the server has said so many bytes more, it is swallowed.
    SwallowedAfter(usize),
    /// The client is told that the server says no more, and can go on talking to it.
    HalfClosed,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// In order: FIN.
    Closed,
    /// At once, with what was on its way lost: RST.
    Reset,
}

/// Both ends of a connection.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    fate: Mutex<Fate>,
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Client,
    Server,
}

impl Proxy {
    /// To this server, at any free port of this machine.
    pub fn to(host: &str, port: u16) -> Self {
        Self::on(0, host, port)
    }

    /// At a port of this machine.
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

    /// What happens to the connections that are made from now on.
    pub fn meets_new_ones_with(&self, fate: Fate) {
        *self.shared.welcome.lock().unwrap() = fate;
    }

    /// What happens from now on to the connections that there are.
    pub fn treats(&self, fate: Fate) {
        let links = self.shared.links().clone();
        for link in &links {
            self.shared.treats(link, fate);
        }
        if let Fate::Cut(_) = fate {
            // A reset goes out with the last who has the socket.
            let deadline = Instant::now() + Duration::from_mins(1);
            while links.iter().any(|link| Arc::strong_count(link) > 1) {
                assert!(Instant::now() < deadline, "a connection is not cut");
                thread::yield_now();
            }
        }
    }

    /// Bytes that were swallowed so far.
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
        // A server that is down refuses; so does a proxy, as far as it can.
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

    /// Passes on what one of the two says, as long as it says something.
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
    /// How many bytes of what was said are passed on, and what happens to the connection then.
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

/// Ends this side of a connection: what the peer hears of it comes with the last of its owners in case of a reset.
fn end(stream: &TcpStream, how: Cut) {
    // Who has gone already needs no end.
    let _ = match how {
        Cut::Closed => stream.shutdown(Shutdown::Both),
        Cut::Reset => SockRef::from(stream)
            .set_linger(Some(Duration::ZERO))
            .and_then(|()| stream.shutdown(Shutdown::Read)),
    };
}
