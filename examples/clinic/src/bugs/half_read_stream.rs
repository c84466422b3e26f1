//! The display that keeps the stream from which it read one row.
//!
//! After greenbone/openvas-scanner#2346: a stream of rows holds a connection until its reader is done, the reader was
//! slow, and no other request was served. Here the reader is a display beside the examination chair. It shows the latest
//! reading at once, and older ones when a doctor scrolls, so it leaves the rest in the stream. No doctor scrolls, and with
//! as many chairs as connections the clinic stands still.

use futures::TryStreamExt;
use futures::stream::BoxStream;
use sqlx::track;

use super::Held;
use crate::clinic::Clinic;
use crate::database::Store;
use crate::device::TONOMETER;
use crate::error::Error;

struct Display<'c> {
    store: &'c Store,
    /// The rows of the current exam that were not shown yet.
    rows: Option<BoxStream<'c, sqlx::Result<(i64, f64)>>>,
}

#[track]
impl Display<'_> {
    /// The latest reading of an exam, with its record number.
    async fn show(&mut self, exam_id: i64) -> sqlx::Result<Option<(i64, f64)>> {
        let mut rows = sqlx::query_as(self.store.sql(
            "SELECT record_number, reading FROM measurement WHERE exam_id = $1 ORDER BY record_number DESC",
        ))
        .bind(exam_id)
        .fetch(&self.store.pool); // the finding points here
        let latest = rows.try_next().await?;
        self.rows = Some(rows);
        Ok(latest)
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let mut display = Display {
        store: &clinic.store,
        rows: None,
    };
    for exam in clinic.exams.worklist(TONOMETER.kind).await? {
        display.show(exam.id).await?;
    }
    Ok(Box::new(display))
}
