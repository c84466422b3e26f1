//! Measurements, which the devices deliver.

use std::fmt::Write;

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use sqlx::{Any, FromRow, Transaction, track};

use crate::database::Store;
use crate::exam::Exam;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Eye {
    #[serde(rename = "OD")]
    Right,
    #[serde(rename = "OS")]
    Left,
}

impl Eye {
    /// The code in a patient's record: oculus dexter, oculus sinister.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Eye::Right => "OD",
            Eye::Left => "OS",
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reading {
    pub(crate) eye: Eye,
    pub(crate) value: f64,
}

/// A reading as it is stored.
#[derive(Debug, FromRow)]
pub(crate) struct Entry {
    pub(crate) record_number: i64,
    pub(crate) device: String,
    pub(crate) eye: String,
    pub(crate) reading: f64,
}

/// How far the readings of an eye differ from each other.
#[derive(Debug, FromRow, Serialize)]
pub(crate) struct Spread {
    eye: String,
    mean_difference: f64,
}

#[derive(Debug)]
pub(crate) struct MeasurementRepo {
    store: Store,
}

#[track]
impl MeasurementRepo {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Stores readings under consecutive numbers from `first_number`, in one statement: the counter's row is locked
    /// meanwhile, and with a round trip for each reading every other device would wait for it.
    pub(crate) async fn insert(
        &self,
        tx: &mut Transaction<'_, Any>,
        exam: &Exam,
        device: &str,
        first_number: i64,
        readings: &[Reading],
    ) -> sqlx::Result<()> {
        let mut query = sqlx::query(self.store.sql(insert_rows(readings.len())));
        for (number, reading) in (first_number..).zip(readings) {
            query = query
                .bind(&exam.kind)
                .bind(exam.year)
                .bind(number)
                .bind(exam.id)
                .bind(device)
                .bind(reading.eye.code())
                .bind(reading.value);
        }
        query.execute(&mut **tx).await?;
        Ok(())
    }

    /// The records of an exam, one after the other: there may be many.
    pub(crate) fn records(&self, exam_id: i64) -> BoxStream<'_, sqlx::Result<Entry>> {
        sqlx::query_as(self.store.sql(
            "SELECT record_number, device, eye, reading FROM measurement WHERE exam_id = $1 ORDER BY record_number",
        ))
        .bind(exam_id)
        .fetch(&self.store.pool)
    }

    /// The mean difference between two of the last readings of a kind, for each eye. It compares each with each, which takes
    /// the database a while.
    pub(crate) async fn spread(&self, kind: &str) -> sqlx::Result<Vec<Spread>> {
        sqlx::query_as(self.store.sql(
            "WITH latest AS (SELECT eye, reading FROM measurement WHERE kind = $1 ORDER BY record_number DESC LIMIT 600) \
             SELECT one.eye AS eye, avg(abs(one.reading - other.reading)) AS mean_difference \
             FROM latest one JOIN latest other ON one.eye = other.eye GROUP BY one.eye ORDER BY one.eye",
        ))
        .bind(kind)
        .fetch_all(&self.store.pool)
        .await
    }
}

/// The text of an INSERT. `QueryBuilder` is no help: it writes `?` whatever the database behind `Any` is.
fn insert_rows(rows: usize) -> String {
    const COLUMNS: [&str; 7] = [
        "kind",
        "year",
        "record_number",
        "exam_id",
        "device",
        "eye",
        "reading",
    ];
    let mut sql = format!("INSERT INTO measurement ({}) VALUES ", COLUMNS.join(", "));
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..COLUMNS.len() {
            let separator = if column == 0 { "" } else { ", " };
            let number = row * COLUMNS.len() + column + 1;
            write!(sql, "{separator}${number}").expect("BUG: a String takes any text");
        }
        sql.push(')');
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_placeholders() {
        assert_eq!(
            insert_rows(2),
            "INSERT INTO measurement (kind, year, record_number, exam_id, device, eye, reading) \
             VALUES ($1, $2, $3, $4, $5, $6, $7), ($8, $9, $10, $11, $12, $13, $14)"
        );
    }
}
