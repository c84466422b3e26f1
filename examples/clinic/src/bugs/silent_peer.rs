//! The server that goes silent.
//!
//! After transact-rs/sqlx#4349: before a released connection is available again, sqlx asks the server whether it still
//! answers, and waits without limit. A firewall that has forgotten the connection drops the question. No code holds the
//! connection then, no code can take it, and nothing is logged. Here the server is the hospital's archive, which answers
//! one query and no other.
//!
//! `SQLX_LEASH=return_timeout=500ms` bounds the return: the connection is closed, and the next request is served.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::leash::PoolExt;
use sqlx::{AnyPool, track};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Held, nothing, serve};
use crate::clinic::Clinic;
use crate::error::Error;

/// sqlx's default of 30 s is too long for an example.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

struct Archive {
    pool: AnyPool,
}

#[track]
impl Archive {
    async fn announce(&self, news: &'static str) -> sqlx::Result<()> {
        let mut connection = self.pool.acquire().await?; // the finding points here
        sqlx::raw_sql(news).execute(&mut *connection).await?;
        Ok(())
    }
}

/// A server that knows enough of PostgreSQL's protocol to accept a connection and to answer one query.
async fn archive(listener: TcpListener) -> io::Result<()> {
    /// Ready for the next query, in no transaction.
    const READY: &[u8] = b"Z\0\0\0\x05I";
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut stream = stream;
            // The first message has no type byte: it names the user and the database.
            message(&mut stream).await?;
            // Accepts the user, without a password.
            stream.write_all(b"R\0\0\0\x08\0\0\0\0").await?;
            stream.write_all(READY).await?;
            stream.read_u8().await?;
            message(&mut stream).await?;
            // The query succeeded.
            stream.write_all(b"C\0\0\0\x0bNOTIFY\0").await?;
            stream.write_all(READY).await?;
            // Silence from here on: reads everything, and answers nothing.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        });
    }
}

/// Reads a message: its length, which counts itself, and the rest.
async fn message(stream: &mut TcpStream) -> io::Result<()> {
    let length = stream.read_u32().await?;
    let mut rest = vec![0; length.saturating_sub(4) as usize];
    stream.read_exact(&mut rest).await?;
    Ok(())
}

pub(super) async fn play(_clinic: &Clinic) -> Result<Held<'_>, Error> {
    let not_up = |source| Error::Network {
        with: "the hospital's archive",
        source,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(not_up)?;
    let address = listener.local_addr().map_err(not_up)?;
    tokio::spawn(archive(listener));
    let archive = Archive {
        pool: AnyPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy(&format!("postgres://eye@{address}/archive"))
            .map_err(Error::Url)?
            .named("archive"),
    };
    serve(
        "the morning's news",
        archive.announce("NOTIFY morning").await,
    )?;
    serve(
        "the evening's news",
        archive.announce("NOTIFY evening").await,
    )?;
    Ok(nothing())
}
