//! The correction that reports success and changes nothing.
//!
//! A tonometer was found to read too high, and its readings are to be corrected. The function once ended in
//! `tx.commit().await?`. Then it was to return the number of corrected readings, and the number took the place of the
//! commit. The number is right every time, and every time the database rolls back.

use sqlx::track;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::database::Store;
use crate::device::TONOMETER;
use crate::error::Error;

struct Calibration<'c> {
    store: &'c Store,
}

#[track]
impl Calibration<'_> {
    /// Adds `offset` to the readings of an exam, and returns their number.
    async fn correct(&self, exam_id: i64, offset: f64) -> sqlx::Result<u64> {
        let mut tx = self.store.pool.begin().await?; // the finding points here
        let corrected = sqlx::query(
            self.store
                .sql("UPDATE measurement SET reading = reading + $1 WHERE exam_id = $2"),
        )
        .bind(offset)
        .bind(exam_id)
        .execute(&mut *tx)
        .await?;
        Ok(corrected.rows_affected())
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let calibration = Calibration {
        store: &clinic.store,
    };
    let worklist = clinic.exams.worklist(TONOMETER.kind).await?;
    if let Some(exam) = worklist.first() {
        let corrected = calibration.correct(exam.id, -1.5).await?;
        eprintln!("corrected {corrected} readings");
    }
    Ok(nothing())
}
