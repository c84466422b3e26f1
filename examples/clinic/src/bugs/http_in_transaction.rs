//! The numbering that asks another service before it commits.
//!
//! The hospital must know of every batch before the batch counts, so the clinic notifies the hospital's register, and only
//! then commits. The register answers in milliseconds, on most days. On the others each batch holds a connection, and the
//! lock on the year's counter, for as long as the register takes, and the clinic is as slow as the register.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sqlx::track;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::device::{Batch, TONOMETER};
use crate::error::Error;

/// The time that the register takes to answer on a bad day.
const BAD_DAY: Duration = Duration::from_millis(1500);

struct RegisteredNumbering<'c> {
    clinic: &'c Clinic,
    register: SocketAddr,
}

#[track]
impl RegisteredNumbering<'_> {
    // The default of 5 s is too long for an example.
    #[track(held_idle = "300ms")]
    async fn accept(&self, batch: &Batch) -> Result<i64, Error> {
        let exam = self.clinic.admit(batch).await?;
        let mut tx = self.clinic.store.pool.begin().await?; // the finding points here
        let first = self
            .clinic
            .numbering
            .take(&mut tx, &exam, batch.readings.len())
            .await?;
        self.register(first).await?;
        self.clinic
            .measurements
            .insert(&mut tx, &exam, &batch.device, first, &batch.readings)
            .await?;
        tx.commit().await?;
        Ok(first)
    }

    /// Notifies the hospital's register of a batch.
    async fn register(&self, first: i64) -> Result<(), Error> {
        let notified = async {
            let mut stream = TcpStream::connect(self.register).await?;
            let request = format!("PUT /batches/{first} HTTP/1.1\r\nhost: register\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            stream.read_to_string(&mut String::new()).await?;
            Ok(())
        };
        notified.await.map_err(|source| Error::Network {
            with: "the hospital's register",
            source,
        })
    }
}

/// The hospital's register, which answers one request, late.
async fn register(listener: TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    let mut request = [0; 1024];
    let _read = stream.read(&mut request).await?;
    sleep(BAD_DAY).await;
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let not_up = |source| Error::Network {
        with: "the hospital's register",
        source,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(not_up)?;
    let numbering = RegisteredNumbering {
        clinic,
        register: listener.local_addr().map_err(not_up)?,
    };
    tokio::spawn(register(listener));
    let worklist = clinic.exams.worklist(TONOMETER.kind).await?;
    if let Some(exam) = worklist.first() {
        let batch = Batch::new("tonometer-1", TONOMETER, exam);
        numbering.accept(&batch).await?;
    }
    Ok(nothing())
}
