//! The repository that keeps a connection to itself.
//!
//! After sigp/anchor#1255: one connection never came back, no line of the log named its holder, and the service looked
//! healthy for four days. Here a profile has shown that every licence check waits for a connection first, so the repository
//! takes one for good. Each check is faster, and each such repository makes the pool smaller by one connection.

use sqlx::pool::PoolConnection;
use sqlx::{Any, track};
use tokio::sync::Mutex;

use super::Held;
use crate::clinic::Clinic;
use crate::database::Store;
use crate::device::TONOMETER;
use crate::error::Error;

struct QuickLicenceRepo<'c> {
    store: &'c Store,
    connection: Mutex<Option<PoolConnection<Any>>>,
}

#[track]
impl QuickLicenceRepo<'_> {
    async fn is_valid(&self, model: &str, year: i64) -> sqlx::Result<bool> {
        let mut cached = self.connection.lock().await;
        let connection = match &mut *cached {
            Some(connection) => connection,
            none => none.insert(self.store.pool.acquire().await?), // the finding points here
        };
        let valid_through: Option<i64> = sqlx::query_scalar(
            self.store
                .sql("SELECT valid_through FROM licence WHERE model = $1"),
        )
        .bind(model)
        .fetch_optional(&mut **connection)
        .await?;
        Ok(valid_through.is_some_and(|last| year <= last))
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let licences = QuickLicenceRepo {
        store: &clinic.store,
        connection: Mutex::new(None),
    };
    for exam in clinic.exams.worklist(TONOMETER.kind).await? {
        licences.is_valid(TONOMETER.name, exam.year).await?;
    }
    Ok(Box::new(licences))
}
