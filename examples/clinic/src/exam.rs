//! Exams: the patient, and the kind of examination.

use sqlx::{FromRow, track};

use crate::database::Store;

/// An exam of a patient, on the worklist of the devices of its kind.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Exam {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) year: i64,
}

#[derive(Debug)]
pub(crate) struct ExamRepo {
    store: Store,
}

#[track]
impl ExamRepo {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    pub(crate) async fn find(&self, id: i64) -> sqlx::Result<Option<Exam>> {
        sqlx::query_as(
            self.store
                .sql("SELECT id, kind, year FROM exam WHERE id = $1"),
        )
        .bind(id)
        .fetch_optional(&self.store.pool)
        .await
    }

    /// The exams of a kind, in the order in which the patients are called.
    pub(crate) async fn worklist(&self, kind: &str) -> sqlx::Result<Vec<Exam>> {
        sqlx::query_as(
            self.store
                .sql("SELECT id, kind, year FROM exam WHERE kind = $1 ORDER BY id"),
        )
        .bind(kind)
        .fetch_all(&self.store.pool)
        .await
    }
}
