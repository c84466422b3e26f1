//! The archive that is filled and read back through two pools, in opposite order.
//!
//! Each pool by itself is used correctly: no code takes two connections of it. But putting an exam away holds a connection
//! of the clinic's pool and waits for the archive's, and fetching one back holds the archive's and waits for the clinic's.
//! The night run did the first, and one morning it was still running when the doctors began to do the second.

use std::sync::Arc;
use std::time::Duration;

use sqlx::track;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Held, nothing, serve};
use crate::clinic::Clinic;
use crate::database::Store;
use crate::device;
use crate::error::Error;

/// The time that an exam's pictures take to the archive. Fetching them back takes twice as long.
const PICTURES: Duration = Duration::from_millis(200);

struct Archive {
    exams: Store,
    records: Store,
}

#[track]
impl Archive {
    async fn put_away(&self, exam_id: i64) -> sqlx::Result<i64> {
        let mut exams = self.exams.pool.begin().await?;
        let year: i64 = sqlx::query_scalar(self.exams.sql("SELECT year FROM exam WHERE id = $1"))
            .bind(exam_id)
            .fetch_one(&mut *exams)
            .await?;
        sleep(PICTURES).await;
        let mut records = self.records.pool.begin().await?; // waits here, too
        let put_away = sqlx::query_scalar(
            self.records
                .sql("SELECT count(*) FROM measurement WHERE exam_id = $1 AND year = $2"),
        )
        .bind(exam_id)
        .bind(year)
        .fetch_one(&mut *records)
        .await?;
        records.commit().await?;
        exams.commit().await?;
        Ok(put_away)
    }

    async fn fetch_back(&self, exam_id: i64) -> sqlx::Result<i64> {
        let mut records = self.records.pool.begin().await?; // held from here
        let fetched = sqlx::query_scalar(
            self.records
                .sql("SELECT count(*) FROM measurement WHERE exam_id = $1"),
        )
        .bind(exam_id)
        .fetch_one(&mut *records)
        .await?;
        sleep(2 * PICTURES).await;
        let mut exams = self.exams.pool.begin().await?; // the finding points here
        sqlx::query_scalar::<_, i64>(self.exams.sql("SELECT year FROM exam WHERE id = $1"))
            .bind(exam_id)
            .fetch_one(&mut *exams)
            .await?;
        exams.commit().await?;
        records.commit().await?;
        Ok(fetched)
    }
}

async fn night_run(archive: Arc<Archive>) -> Result<(), Error> {
    serve("the night run", archive.put_away(1).await)?;
    Ok(())
}

async fn doctor(archive: Arc<Archive>) -> Result<(), Error> {
    serve("the doctor", archive.fetch_back(2).await)?;
    Ok(())
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let archive = Arc::new(Archive {
        exams: clinic.store.apart("exams", 1).await?,
        records: clinic.store.apart("archive", 1).await?,
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(night_run(Arc::clone(&archive)));
    tasks.spawn(doctor(archive));
    device::all(tasks).await?;
    Ok(nothing())
}
