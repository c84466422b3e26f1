//! Licences: the models of devices that may deliver.

use sqlx::track;

use crate::database::Store;

#[derive(Debug)]
pub(crate) struct LicenceRepo {
    store: Store,
}

#[track]
impl LicenceRepo {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Whether devices of this model may deliver measurements in `year`.
    pub(crate) async fn is_valid(&self, model: &str, year: i64) -> sqlx::Result<bool> {
        let valid_through: Option<i64> = sqlx::query_scalar(
            self.store
                .sql("SELECT valid_through FROM licence WHERE model = $1"),
        )
        .bind(model)
        .fetch_optional(&self.store.pool)
        .await?;
        Ok(valid_through.is_some_and(|last| year <= last))
    }
}
