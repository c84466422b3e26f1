//! Exams: the patient, and the kind of examination.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::leash::cache::{Cached, Writing};
use sqlx::{Any, FromRow, Transaction, track};

use crate::database::Store;

/// An exam of a patient, on the worklist of the devices of its kind.
#[derive(Clone, Debug, FromRow, Deserialize, Serialize)]
pub(crate) struct Exam {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) year: i64,
    /// The number of readings that are stored.
    pub(crate) measured: i64,
}

/// The exams that were looked up, by their ids.
type Kept = Cached<i64, Option<Exam>>;

#[derive(Debug)]
pub(crate) struct ExamRepo {
    store: Store,
    /// `None` without `--cache`.
    kept: Option<Kept>,
}

#[track]
impl ExamRepo {
    pub(crate) fn new(store: Store, is_cached: bool) -> Self {
        let kept = is_cached.then(|| Cached::new(1_000, Duration::from_mins(30)));
        Self { store, kept }
    }

    pub(crate) async fn find(&self, id: i64) -> sqlx::Result<Option<Exam>> {
        let load = async || {
            sqlx::query_as(
                self.store
                    .sql("SELECT id, kind, year, measured FROM exam WHERE id = $1"),
            )
            .bind(id)
            .fetch_optional(&self.store.pool) // the finding points here
            .await
        };
        match &self.kept {
            Some(kept) => kept.get(&id, load).await,
            None => load().await,
        }
    }

    /// Declares that a transaction is about to write this exam.
    pub(crate) fn writing(&self, id: i64) -> Option<Writing<i64, Option<Exam>>> {
        self.kept.as_ref().map(|kept| kept.writing(&id))
    }

    /// Counts readings that `tx` stores. The caller must be [`writing`](Self::writing) the exam.
    pub(crate) async fn add_measured(
        &self,
        tx: &mut Transaction<'_, Any>,
        id: i64,
        readings: usize,
    ) -> sqlx::Result<()> {
        let readings = i64::try_from(readings).expect("BUG: a batch has a handful of records");
        sqlx::query(
            self.store
                .sql("UPDATE exam SET measured = measured + $1 WHERE id = $2"),
        )
        .bind(readings)
        .bind(id)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// The exams of a kind, in the order in which the patients are called.
    pub(crate) async fn worklist(&self, kind: &str) -> sqlx::Result<Vec<Exam>> {
        sqlx::query_as(
            self.store
                .sql("SELECT id, kind, year, measured FROM exam WHERE kind = $1 ORDER BY id"),
        )
        .bind(kind)
        .fetch_all(&self.store.pool)
        .await
    }
}
