//! The examination that is looked up for every record.
//!
//! A device delivers fifty readings of one exam in one contact. Each is checked against the exam's kind, and the function
//! that reads the kind asks the database each time: it was written for devices that deliver one reading.

use sqlx::track;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::device::TONOMETER;
use crate::error::Error;

const READINGS: u32 = 50;

struct Contact<'c> {
    clinic: &'c Clinic,
}

#[track]
impl Contact<'_> {
    /// The number of readings that are of the exam's kind.
    async fn check(&self, exam_id: i64) -> sqlx::Result<u32> {
        let mut valid = 0;
        for _ in 0..READINGS {
            let kind = self.kind(exam_id).await?; // what the loop repeats
            valid += u32::from(kind == TONOMETER.kind);
        }
        Ok(valid)
    }

    async fn kind(&self, exam_id: i64) -> sqlx::Result<String> {
        let store = &self.clinic.store;
        sqlx::query_scalar(store.sql("SELECT kind FROM exam WHERE id = $1"))
            .bind(exam_id)
            .fetch_one(&store.pool) // the finding points here
            .await
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let worklist = clinic.exams.worklist(TONOMETER.kind).await?;
    if let Some(exam) = worklist.first() {
        let valid = Contact { clinic }.check(exam.id).await?;
        eprintln!("{valid} of {READINGS} readings are of the exam's kind");
    }
    Ok(nothing())
}
