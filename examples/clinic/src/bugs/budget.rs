//! The overview that sends a query for each exam.
//!
//! When it was written there were two exams on the screen, and it was quick. To keep it so, it was given a budget: three
//! queries are enough for any overview. The third exam is the first to break it.

use sqlx::track;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::device::TONOMETER;
use crate::error::Error;

struct Overview<'c> {
    clinic: &'c Clinic,
}

#[track]
impl Overview<'_> {
    /// The number of readings of each exam.
    #[track(max_queries = 3)]
    async fn rows(&self, kind: &str) -> sqlx::Result<Vec<(i64, i64)>> {
        let mut rows = Vec::new();
        for exam in self.clinic.exams.worklist(kind).await? {
            rows.push((exam.id, self.readings(exam.id).await?));
        }
        Ok(rows)
    }

    async fn readings(&self, exam_id: i64) -> sqlx::Result<i64> {
        let store = &self.clinic.store;
        sqlx::query_scalar(store.sql("SELECT count(*) FROM measurement WHERE exam_id = $1"))
            .bind(exam_id)
            .fetch_one(&store.pool) // the finding points here
            .await
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    Overview { clinic }.rows(TONOMETER.kind).await?;
    Ok(nothing())
}
