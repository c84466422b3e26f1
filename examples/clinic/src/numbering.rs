//! Record numbers: consecutive, without gaps, per kind of exam and year.

use sqlx::{Any, Transaction, track};

use crate::database::Store;
use crate::exam::Exam;

#[derive(Debug)]
pub(crate) struct Numbering {
    store: Store,
}

#[track]
impl Numbering {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Takes the next `count` numbers, and returns the first. They are taken once `tx` is committed; until then the
    /// counter's row stays locked, and so the numbers stay without gaps.
    pub(crate) async fn take(
        &self,
        tx: &mut Transaction<'_, Any>,
        exam: &Exam,
        count: usize,
    ) -> sqlx::Result<i64> {
        let count = i64::try_from(count).expect("BUG: a batch has a handful of records");
        // The UPDATE comes first because it locks. After a SELECT, two devices would have the same number, and SQLite
        // would refuse the second one's UPDATE.
        sqlx::query(self.store.sql(
            "UPDATE counter SET last_number = last_number + $1 WHERE kind = $2 AND year = $3",
        ))
        .bind(count)
        .bind(&exam.kind)
        .bind(exam.year)
        .execute(&mut **tx)
        .await?;
        let last: i64 = sqlx::query_scalar(
            self.store
                .sql("SELECT last_number FROM counter WHERE kind = $1 AND year = $2"),
        )
        .bind(&exam.kind)
        .bind(exam.year)
        .fetch_one(&mut **tx)
        .await?;
        Ok(last - count + 1)
    }
}
