//! The archive on a port where no server listens.
//!
//! After transact-rs/sqlx#2345: the server had moved to another port. sqlx retries a refused connect until its time is up,
//! and then reports `pool timed out while waiting for an open connection`, and no more: it looks like a pool that is too
//! small. Here the pool connects lazily, so the service starts, and the first to notice is a doctor.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::leash::PoolExt;
use sqlx::{AnyPool, track};

use super::{Held, nothing, serve};
use crate::clinic::Clinic;
use crate::error::Error;

/// sqlx's default of 30 s is too long for an example.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

struct Archive {
    pool: AnyPool,
}

#[track]
impl Archive {
    async fn records(&self, patient: &str) -> sqlx::Result<i64> {
        let mut connection = self.pool.acquire().await?; // the finding points here
        sqlx::query_scalar("SELECT count(*) FROM record WHERE patient = $1")
            .bind(patient)
            .fetch_one(&mut *connection)
            .await
    }
}

/// A port of this machine that is free.
fn wrong_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    let port = address.map(|address| address.port());
    port.map_err(|source| Error::Network {
        with: "this machine",
        source,
    })
}

pub(super) async fn play(_clinic: &Clinic) -> Result<Held<'_>, Error> {
    let url = format!("postgres://eye@127.0.0.1:{}/archive", wrong_port()?);
    let archive = Archive {
        pool: AnyPoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy(&url)
            .map_err(Error::Url)?
            .named("archive"),
    };
    serve("the doctor", archive.records("Amsel, Berta").await)?;
    Ok(nothing())
}
