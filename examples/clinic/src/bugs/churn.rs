//! The display that closes what it borrows.
//!
//! A display in the waiting room asks twenty times a second which record was stored last. Its author wants the
//! connection back in the pool as soon as possible, and so closes it. Dropping it would have been enough. As it is, each question
//! opens a connection of its own, and no error and no slow statement shows that.

use std::time::{Duration, Instant};

use sqlx::track;
use tokio::time::sleep;

use super::{Held, nothing};
use crate::clinic::Clinic;
use crate::database::Store;
use crate::error::Error;

/// The time between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Long enough to tell a habit from an event.
const WATCHED: Duration = Duration::from_secs(15);

struct Display<'c> {
    store: &'c Store,
}

#[track]
impl Display<'_> {
    async fn last_record(&self) -> sqlx::Result<Option<i64>> {
        let mut connection = self.store.pool.acquire().await?; // the finding points here
        let last = sqlx::query_scalar("SELECT MAX(record_number) FROM measurement")
            .fetch_one(&mut *connection)
            .await?;
        connection.close().await?;
        Ok(last)
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let display = Display {
        store: &clinic.store,
    };
    let begun = Instant::now();
    while begun.elapsed() < WATCHED {
        display.last_record().await?;
        sleep(PAUSE).await;
    }
    Ok(nothing())
}
