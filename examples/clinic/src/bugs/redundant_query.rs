//! The contact that looks its exam up for every record.
//!
//! A device hands its records over one by one, and each is checked against its exam. The exam is the same for all of them,
//! and it is read from the database for each. `--cache` cures it: the first record reads the exam, and the others find it kept.

use sqlx::track;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::device::{Batch, TONOMETER};
use crate::error::Error;
use crate::measurement::Reading;

/// The number of records that the device hands over.
const RECORDS: usize = 51;

/// An exam with as many is full.
const MOST_READINGS: i64 = 100_000;

struct Contact<'c> {
    clinic: &'c Clinic,
}

#[track]
impl Contact<'_> {
    /// The number of records that the exam accepts.
    async fn check(&self, batch: &Batch) -> Result<usize, Error> {
        let mut accepted = 0;
        for reading in batch.readings.iter().cycle().take(RECORDS) {
            accepted += usize::from(self.accepts(batch, reading).await?);
        }
        Ok(accepted)
    }

    async fn accepts(&self, batch: &Batch, reading: &Reading) -> Result<bool, Error> {
        let exam = self.clinic.exams.find(batch.exam_id).await?;
        let exam = exam.ok_or(Error::NoExam(batch.exam_id))?;
        let has_room = exam.measured < MOST_READINGS;
        Ok(has_room && exam.kind == batch.model.kind && reading.value.is_finite())
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let worklist = clinic.exams.worklist(TONOMETER.kind).await?;
    let exam = worklist.first().ok_or(Error::NoExam(1))?;
    let contact = Contact { clinic };
    contact
        .check(&Batch::new("tonometer-1", TONOMETER, exam))
        .await?;
    Ok(nothing())
}
