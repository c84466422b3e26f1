//! The reception that asks the pool while it holds a transaction, with as many devices as connections.
//!
//! After teamhanko/hanko#1598: inside a transaction, one of the repositories asked the pool instead of the transaction.
//! Under load every connection was held by a request that waited for another one, and the whole service stood still
//! until the waits timed out. It recovered by itself, so for a long time it was taken for a slow database.

use std::sync::Arc;
use std::time::Duration;

use sqlx::track;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Held, nothing, serve};
use crate::clinic::Clinic;
use crate::database::Store;
use crate::device::{self, TONOMETER};
use crate::error::Error;
use crate::exam::Exam;

/// One for each device.
const CONNECTIONS: u32 = 2;

/// The time that a device takes to answer that its patient sits still.
const HANDSHAKE: Duration = Duration::from_millis(200);

struct Reception {
    store: Store,
}

#[track]
impl Reception {
    /// Whether the device may examine, and the year for which its records count.
    async fn admit(&self, exam_id: i64, model: &str) -> sqlx::Result<(bool, i64)> {
        let mut tx = self.store.pool.begin().await?; // held from here
        let year = sqlx::query_scalar(self.store.sql("SELECT year FROM exam WHERE id = $1"))
            .bind(exam_id)
            .fetch_one(&mut *tx)
            .await?;
        sleep(HANDSHAKE).await;
        let licensed = self.is_licensed(model, year).await?;
        tx.commit().await?;
        Ok((licensed, year))
    }

    async fn is_licensed(&self, model: &str, year: i64) -> sqlx::Result<bool> {
        let valid_through: Option<i64> = sqlx::query_scalar(
            self.store
                .sql("SELECT valid_through FROM licence WHERE model = $1"),
        )
        .bind(model)
        .fetch_optional(&self.store.pool) // the finding points here
        .await?;
        Ok(valid_through.is_some_and(|last| year <= last))
    }
}

async fn examine(reception: Arc<Reception>, exam: Exam) -> Result<(), Error> {
    let admitted = reception.admit(exam.id, TONOMETER.name).await;
    serve(&format!("exam {}", exam.id), admitted)?;
    Ok(())
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let store = clinic.store.apart("reception", CONNECTIONS).await?;
    let reception = Arc::new(Reception { store });
    let worklist = clinic.exams.worklist(TONOMETER.kind).await?;
    let mut devices = JoinSet::new();
    for (_, exam) in (0..CONNECTIONS).zip(worklist) {
        devices.spawn(examine(Arc::clone(&reception), exam));
    }
    device::all(devices).await?;
    Ok(nothing())
}
