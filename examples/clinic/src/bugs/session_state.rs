//! The import that hands its transaction to the next request.
//!
//! A device that was offline delivers its readings as a file. The transaction around them is begun and committed by SQL, as in the
//! script that the function was once. Then files came twice, and a check was added. Where it finds a reading that
//! is stored already, the function returns early: the connection goes back inside the transaction, and whoever gets it next works there.

use sqlx::{AnyConnection, track};

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::database::Store;
use crate::device::TONOMETER;
use crate::error::Error;

struct Import<'c> {
    store: &'c Store,
}

#[track]
impl Import<'_> {
    /// Raises the counter and stores the readings of a file. Returns whether they were new.
    async fn take(&self, exam_id: i64, readings: i64) -> sqlx::Result<bool> {
        let mut conn = self.store.pool.acquire().await?; // held from here
        sqlx::query("BEGIN").execute(&mut *conn).await?; // the finding points here
        sqlx::query(
            self.store
                .sql("UPDATE counter SET last_number = last_number + $1 WHERE kind = $2"),
        )
        .bind(readings)
        .bind(TONOMETER.kind)
        .execute(&mut *conn)
        .await?;
        if self.stored(&mut conn, exam_id).await? > 0 {
            return Ok(false); // without ROLLBACK
        }
        sqlx::query("COMMIT").execute(&mut *conn).await?;
        Ok(true)
    }

    async fn stored(&self, conn: &mut AnyConnection, exam_id: i64) -> sqlx::Result<i64> {
        sqlx::query_scalar(
            self.store
                .sql("SELECT count(*) FROM measurement WHERE exam_id = $1"),
        )
        .bind(exam_id)
        .fetch_one(conn)
        .await
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let import = Import {
        store: &clinic.store,
    };
    let worklist = clinic.exams.worklist(TONOMETER.kind).await?;
    if let Some(exam) = worklist.first() {
        let is_new = import.take(exam.id, 2).await?;
        eprintln!("the readings of the file are new: {is_new}");
    }
    Ok(nothing())
}
