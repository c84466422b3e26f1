//! The letter that waits for another service in its transaction: what the page shows of a clinic without `--bug`.
//!
//! A letter reads the exam and its readings in one transaction, so that they belong together, and asks the hospital's register
//! for the patient's address in between. The register answers in milliseconds, on most days. On the others each letter
//! holds a connection for as long as the register takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::track;
use tokio::time::sleep;

use crate::database::Store;

/// The time that the register takes to answer, on most days and on a bad one.
const ANSWER: Duration = Duration::from_millis(40);
const BAD_DAY: Duration = Duration::from_secs(4);

/// One letter in so many falls on a bad day, the first among them.
const LETTERS: u64 = 5;

#[derive(Debug)]
pub(super) struct Letters {
    store: Store,
    register: Register,
}

#[track]
impl Letters {
    pub(super) fn new(store: Store) -> Self {
        let register = Register::default();
        Self { store, register }
    }

    // The default of 5 s is too long for an example.
    #[track(held_idle = "2s")]
    pub(super) async fn write(&self, exam_id: i64) -> sqlx::Result<Option<String>> {
        let mut tx = self.store.pool.begin().await?; // the finding points here
        let patient: Option<String> =
            sqlx::query_scalar(self.store.sql("SELECT patient FROM exam WHERE id = $1"))
                .bind(exam_id)
                .fetch_optional(&mut *tx)
                .await?;
        let Some(patient) = patient else {
            tx.commit().await?;
            return Ok(None);
        };
        let address = self.register.address(&patient).await;
        let highest: Option<f64> = sqlx::query_scalar(
            self.store
                .sql("SELECT max(reading) FROM measurement WHERE exam_id = $1"),
        )
        .bind(exam_id)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(match highest {
            Some(highest) => format!("{patient}\n{address}\n\nThe highest reading is {highest}.\n"),
            None => format!("{patient}\n{address}\n\nThere is no reading yet.\n"),
        }))
    }
}

/// The hospital's register of patients, which is another service.
#[derive(Debug, Default)]
struct Register {
    asked: AtomicU64,
}

#[track]
impl Register {
    async fn address(&self, patient: &str) -> String {
        // Relaxed: it is only a counter.
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        sleep(if asked.is_multiple_of(LETTERS) {
            BAD_DAY
        } else {
            ANSWER
        })
        .await;
        format!("{} Canal Street", 10 + patient.len())
    }
}
