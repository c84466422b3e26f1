//! The plotter that changes its paper while rows wait for it.
//!
//! A stream of rows holds its connection until it is read to the end, and the reader decides how long that takes. Here the
//! reader is a plotter that draws a patient's readings as they arrive. It is fast enough, except when its paper runs out.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::track;
use tokio::time::sleep;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::database::Store;
use crate::device::TONOMETER;
use crate::error::Error;

/// The time that the plotter takes for new paper.
const NEW_PAPER: Duration = Duration::from_millis(1500);

/// The number of readings that fit on a sheet.
const SHEET: usize = 2;

struct Plotter<'c> {
    store: &'c Store,
    drawn: usize,
}

#[track]
impl Plotter<'_> {
    // The default of 5 s is too long for an example.
    #[track(held_idle = "300ms")]
    async fn plot(&mut self, exam_id: i64) -> sqlx::Result<()> {
        let store = self.store;
        let mut readings = sqlx::query_scalar(
            store.sql("SELECT reading FROM measurement WHERE exam_id = $1 ORDER BY record_number"),
        )
        .bind(exam_id)
        .fetch(&store.pool); // the finding points here
        while let Some(reading) = readings.try_next().await? {
            self.draw(reading).await;
        }
        Ok(())
    }

    async fn draw(&mut self, _reading: f64) {
        self.drawn += 1;
        if self.drawn == SHEET {
            sleep(NEW_PAPER).await;
        }
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let mut plotter = Plotter {
        store: &clinic.store,
        drawn: 0,
    };
    for exam in clinic.exams.worklist(TONOMETER.kind).await? {
        plotter.plot(exam.id).await?;
    }
    Ok(nothing())
}
