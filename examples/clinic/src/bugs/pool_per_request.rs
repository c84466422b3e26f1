//! The portal that opens a pool for each patient who logs in.
//!
//! The portal was a program of its own, which opened its pool once. When it became a part of the service, its start was put where a
//! request begins. Every patient who is logged in now has a pool of five connections: ten patients may ask the server for
//! fifty.

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyPool, track};

use super::Held;
use crate::clinic::Clinic;
use crate::error::Error;

/// The patients who are logged in at once.
const PATIENTS: usize = 6;

/// How long the patients read. Pools that are gone sooner are not found.
const READING: Duration = Duration::from_millis(500);

struct Portal {
    database: AnyConnectOptions,
}

#[track]
impl Portal {
    async fn log_in(&self) -> sqlx::Result<AnyPool> {
        AnyPoolOptions::new()
            .max_connections(5)
            .connect_with(self.database.clone()) // the finding points here
            .await
    }
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let portal = Portal {
        database: (*clinic.store.pool.connect_options()).clone(),
    };
    let mut sessions = Vec::new();
    for _ in 0..PATIENTS {
        sessions.push(portal.log_in().await?);
    }
    tokio::time::sleep(READING).await;
    Ok(Box::new(sessions))
}
