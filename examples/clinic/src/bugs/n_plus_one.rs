//! The list that asks for each of its rows.
//!
//! The list of the day shows each record with its reading. It was written with the function that was there: the one that
//! reads a single record. Nobody saw the other statements, because each of them is quick.

use sqlx::track;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::error::Error;

struct DayList<'c> {
    clinic: &'c Clinic,
}

#[track]
impl DayList<'_> {
    /// Each record with its highest reading.
    async fn rows(&self) -> sqlx::Result<Vec<(i64, f64)>> {
        let mut rows = Vec::new();
        for record in self.records().await? {
            rows.push((record, self.reading(record).await?)); // what the loop repeats
        }
        Ok(rows)
    }

    async fn records(&self) -> sqlx::Result<Vec<i64>> {
        let store = &self.clinic.store;
        sqlx::query_scalar(
            store.sql(
                "SELECT DISTINCT record_number FROM measurement ORDER BY record_number LIMIT 40",
            ),
        )
        .fetch_all(&store.pool)
        .await
    }

    async fn reading(&self, record: i64) -> sqlx::Result<f64> {
        let store = &self.clinic.store;
        sqlx::query_scalar(
            store.sql("SELECT max(reading) FROM measurement WHERE record_number = $1"),
        )
        .bind(record)
        .fetch_one(&store.pool) // the finding points here
        .await
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let rows = DayList { clinic }.rows().await?;
    eprintln!("the list of the day has {} records", rows.len());
    Ok(nothing())
}
