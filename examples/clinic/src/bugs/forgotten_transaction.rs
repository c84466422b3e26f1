//! The numbering that forgets a transaction.
//!
//! After a failure in production. A device that lost its network in the middle of an exam delivered the rest of the batch
//! later, and was to get the numbers that it had been promised. So the numbering kept the transaction of an incomplete
//! batch in a list, to be committed with the rest. Some devices never came back. Each left a connection idle in a
//! transaction that locked the year's counter, and the errors came from everywhere else: devices that waited for the
//! counter, and screens that waited for a connection.

use sqlx::{Any, Transaction, track};

use super::Held;
use crate::clinic::Clinic;
use crate::device::{Batch, TONOMETER};
use crate::error::Error;

struct DeferredNumbering<'c> {
    clinic: &'c Clinic,
    /// The transactions of batches that are numbered and wait for their rest.
    open: Vec<Transaction<'static, Any>>,
}

#[track]
impl DeferredNumbering<'_> {
    /// Stores a batch, and returns the number of its first record.
    async fn accept(&mut self, batch: &Batch) -> Result<i64, Error> {
        let exam = self.clinic.admit(batch).await?;
        let mut tx = self.clinic.store.pool.begin().await?; // the finding points here
        let first = self
            .clinic
            .numbering
            .take(&mut tx, &exam, Batch::COMPLETE)
            .await?;
        if !batch.is_complete() {
            self.open.push(tx);
            return Ok(first);
        }
        self.clinic
            .measurements
            .insert(&mut tx, &exam, &batch.device, first, &batch.readings)
            .await?;
        tx.commit().await?;
        Ok(first)
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let mut numbering = DeferredNumbering {
        clinic,
        open: Vec::new(),
    };
    let worklist = clinic.exams.worklist(TONOMETER.kind).await?;
    for exam in &worklist {
        numbering
            .accept(&Batch::new("tonometer-1", TONOMETER, exam))
            .await?;
    }
    if let Some(exam) = worklist.last() {
        let mut batch = Batch::new("tonometer-2", TONOMETER, exam);
        // The right eye only: the network failed before the left.
        batch.readings.truncate(3);
        numbering.accept(&batch).await?;
    }
    Ok(Box::new(numbering))
}
