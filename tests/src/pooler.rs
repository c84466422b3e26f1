//! Poolers: programs between clients and a server, which lend the sessions that they have to their clients.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A pooler for PostgreSQL, in the mode in which each statement may run in another session.
///
/// Its sessions are older than the connections of its clients. It takes the sessions in turn, whoever the client is.
#[derive(Debug)]
pub struct PgPooler {
    /// The address that the pooler listens at.
    pub address: SocketAddr,
}

/// A session at the server, with all that the server said at its beginning.
struct PgSession {
    stream: TcpStream,
    welcome: Vec<u8>,
}

impl PgPooler {
    /// A pooler with this number of sessions at a server that asks for no password.
    pub fn to(server: &str, user: &str, database: &str, sessions: usize) -> Self {
        let sessions: Vec<_> = (0..sessions)
            .map(|_| PgSession::open(server, user, database).unwrap())
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sessions = Arc::new(Mutex::new((sessions, 0)));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, sessions) = (client.unwrap(), Arc::clone(&sessions));
                // An error is the end of the client's connection.
                thread::spawn(move || serve(client, &sessions));
            }
        });
        Self { address }
    }
}

impl PgSession {
    fn open(server: &str, user: &str, database: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server)?;
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, ""] {
            body.extend(text.as_bytes());
            body.push(0);
        }
        let length = u32::try_from(body.len() + 4).unwrap();
        stream.write_all(&[&length.to_be_bytes()[..], &body].concat())?;
        let mut welcome = Vec::new();
        until_ready(&mut stream, &mut welcome)?;
        Ok(Self { stream, welcome })
    }
}

fn serve(mut client: TcpStream, sessions: &Mutex<(Vec<PgSession>, usize)>) -> io::Result<()> {
    client.set_nodelay(true)?;
    // A client may ask for encryption before it introduces itself: no.
    while request(&mut client)?[..4] == 80_877_103_u32.to_be_bytes() {
        client.write_all(b"N")?;
    }
    let welcome = sessions.lock().unwrap().0[0].welcome.clone();
    client.write_all(&welcome)?;
    loop {
        let mut asked = Vec::new();
        let last = message(&mut client, &mut asked)?;
        if last == b'X' {
            return Ok(());
        }
        let mut last = last;
        // The server answers a simple query, and the end of a series of other messages.
        while !matches!(last, b'Q' | b'S') {
            last = message(&mut client, &mut asked)?;
        }
        let mut sessions = sessions.lock().unwrap();
        let (all, next) = &mut *sessions;
        let turn = *next;
        *next = (turn + 1) % all.len();
        let session = &mut all[turn];
        session.stream.write_all(&asked)?;
        let mut answer = Vec::new();
        until_ready(&mut session.stream, &mut answer)?;
        client.write_all(&answer)?;
    }
}

/// Reads a client's first message, which has no type. Returns it without its length.
fn request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut body)?;
    Ok(body)
}

/// Appends a message, and returns its type.
fn message(from: &mut TcpStream, to: &mut Vec<u8>) -> io::Result<u8> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body)?;
    to.extend(head);
    to.extend(body);
    Ok(head[0])
}

/// Appends the server's messages until it is ready for the next query.
fn until_ready(from: &mut TcpStream, to: &mut Vec<u8>) -> io::Result<()> {
    while message(from, to)? != b'Z' {}
    Ok(())
}

/// A pooler for MariaDB that opens two sessions for each client, and sends each command to the other one.
#[derive(Debug)]
pub struct MySqlPooler {
    /// The address that the pooler listens at.
    pub address: SocketAddr,
}

impl MySqlPooler {
    /// A pooler to a server whose user has no password, and which offers no encryption.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = server.to_owned();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), server.clone());
                thread::spawn(move || alternate(client, &server));
            }
        });
        Self { address }
    }
}

fn alternate(mut client: TcpStream, server: &str) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut sessions = [TcpStream::connect(server)?, TcpStream::connect(server)?];
    // The greeting, the client's answer and the server's. Both sessions get the same answer, which has no password in it.
    let greetings = [packet(&mut sessions[0])?, packet(&mut sessions[1])?];
    client.write_all(&greetings[0])?;
    let user = packet(&mut client)?;
    for session in &mut sessions {
        session.write_all(&user)?;
    }
    let accepted = [packet(&mut sessions[0])?, packet(&mut sessions[1])?];
    client.write_all(&accepted[0])?;
    for session in &sessions {
        let (mut from, mut to) = (session.try_clone()?, client.try_clone()?);
        // One session at a time answers, so that the answers do not mix.
        thread::spawn(move || io::copy(&mut from, &mut to));
    }
    for session in [0, 1].into_iter().cycle() {
        let command = packet(&mut client)?;
        sessions[session].write_all(&command)?;
    }
    Ok(())
}

/// Reads a packet, with its head.
fn packet(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let mut packet = head.to_vec();
    packet.resize(4 + length as usize, 0);
    from.read_exact(&mut packet[4..])?;
    Ok(packet)
}
