//! The calibration that is lost to an error nobody looks at.
//!
//! A device comes back from calibration: its readings are corrected, and its model is entered in the list of licences. A model
//! that is in the list already is no error to the author, who ignores what the INSERT says. The database does not: PostgreSQL
//! has failed the transaction, turns its COMMIT into a ROLLBACK, and `commit()` returns `Ok`. SQLite rolls back at once, because the
//! statement says `OR ROLLBACK`, and refuses the commit. MySQL and MariaDB undo the INSERT alone, and save the correction.

use sqlx::track;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::database::Store;
use crate::error::Error;

struct Workshop<'c> {
    store: &'c Store,
}

#[track]
impl Workshop<'_> {
    async fn returns(&self, model: &str, offset: f64) -> sqlx::Result<()> {
        let mut tx = self.store.pool.begin().await?; // held from here
        sqlx::query(
            self.store
                .sql("UPDATE measurement SET reading = reading + $1 WHERE device LIKE $2"),
        )
        .bind(offset)
        .bind(format!("{model}%"))
        .execute(&mut *tx)
        .await?;
        let insert = if self.store.is_sqlite() {
            "INSERT OR ROLLBACK INTO licence (model, valid_through) VALUES ($1, $2)"
        } else {
            "INSERT INTO licence (model, valid_through) VALUES ($1, $2)"
        };
        let _ = sqlx::query(self.store.sql(insert))
            .bind(model)
            .bind(2028)
            .execute(&mut *tx)
            .await;
        tx.commit().await // the finding points here
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let workshop = Workshop {
        store: &clinic.store,
    };
    match workshop.returns("tonometer", -1.5).await {
        Ok(()) => eprintln!("the readings of the tonometers are corrected"),
        Err(error) => eprintln!("the readings of the tonometers are as they were: {error}"),
    }
    Ok(nothing())
}
