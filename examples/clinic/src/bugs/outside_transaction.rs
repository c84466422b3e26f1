//! The label that shows a number too low.
//!
//! Each printed record gets a label. The number on it is read where it was always read, from the pool, and so outside of
//! the transaction that has just taken the number: the label shows the one before. It was not noticed while labels were
//! printed after the commit. Then they were to be printed sooner.

use sqlx::track;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::device::TONOMETER;
use crate::error::Error;
use crate::exam::Exam;

struct Labels<'c> {
    clinic: &'c Clinic,
}

#[track]
impl Labels<'_> {
    /// Takes a number for a record, and returns it with the text of the label.
    async fn number(&self, exam: &Exam) -> sqlx::Result<(i64, String)> {
        let mut tx = self.clinic.store.pool.begin().await?; // held from here
        let number = self.clinic.numbering.take(&mut tx, exam, 1).await?;
        let label = self.label(exam).await?;
        tx.commit().await?;
        Ok((number, label))
    }

    async fn label(&self, exam: &Exam) -> sqlx::Result<String> {
        let store = &self.clinic.store;
        let number: i64 = sqlx::query_scalar(
            store.sql("SELECT last_number FROM counter WHERE kind = $1 AND year = $2"),
        )
        .bind(&exam.kind)
        .bind(exam.year)
        .fetch_one(&store.pool) // the finding points here
        .await?;
        Ok(format!("{}/{number}", exam.year))
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let labels = Labels { clinic };
    let worklist = clinic.exams.worklist(TONOMETER.kind).await?;
    if let Some(exam) = worklist.first() {
        let (number, label) = labels.number(exam).await?;
        eprintln!("record {number} is labelled {label}");
    }
    Ok(nothing())
}
