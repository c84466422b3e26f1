//! The printout that asks the pool while it holds a connection.
//!
//! To print the day's list faster, one connection was taken for all of it. The line of an exam is written elsewhere, and
//! that code asks the pool, as it always did. So each printout takes two connections at once. That goes well until as many
//! printouts run as there are connections: then each has its first, and none gets its second.

use sqlx::track;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::database::Store;
use crate::device::TONOMETER;
use crate::error::Error;

struct Printout<'c> {
    store: &'c Store,
}

#[track]
impl Printout<'_> {
    /// The exams of a kind, each with its latest reading.
    async fn lines(&self, kind: &str) -> sqlx::Result<Vec<String>> {
        let mut connection = self.store.pool.acquire().await?; // held from here
        let exams: Vec<(i64, String)> = sqlx::query_as(
            self.store
                .sql("SELECT id, patient FROM exam WHERE kind = $1 ORDER BY id"),
        )
        .bind(kind)
        .fetch_all(&mut *connection)
        .await?;
        let mut lines = Vec::new();
        for (exam_id, patient) in exams {
            let reading = self.latest_reading(exam_id).await?;
            lines.push(format!("{patient}: {reading:?}"));
        }
        Ok(lines)
    }

    async fn latest_reading(&self, exam_id: i64) -> sqlx::Result<Option<f64>> {
        sqlx::query_scalar(self.store.sql(
            "SELECT reading FROM measurement WHERE exam_id = $1 ORDER BY record_number DESC LIMIT 1",
        ))
        .bind(exam_id)
        .fetch_optional(&self.store.pool) // the finding points here
        .await
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let printout = Printout {
        store: &clinic.store,
    };
    printout.lines(TONOMETER.kind).await?;
    Ok(nothing())
}
