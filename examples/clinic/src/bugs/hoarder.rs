//! The screens that keep a connection for as long as they are on.
//!
//! A screen beside each examination chair shows its readings. Each screen takes a connection when it is switched on, so
//! that it never has to wait for one, and is switched off in the evening. There are now as many screens as the pool has
//! connections. The error comes up at the reception, which only asked.

use sqlx::pool::PoolConnection;
use sqlx::{Any, track};
use tokio::task::JoinSet;

use super::{Held, serve};
use crate::clinic::Clinic;
use crate::database::Store;
use crate::device::TONOMETER;
use crate::error::Error;

/// One for each screen.
const CONNECTIONS: u32 = 2;

struct Screen {
    connection: PoolConnection<Any>,
    shown: Option<f64>,
}

#[track]
impl Screen {
    async fn switch_on(store: &Store) -> sqlx::Result<Self> {
        Ok(Self {
            connection: store.pool.acquire().await?, // held from here
            shown: None,
        })
    }

    async fn show(&mut self, store: &Store, exam_id: i64) -> sqlx::Result<()> {
        self.shown = sqlx::query_scalar(
            store.sql("SELECT max(reading) FROM measurement WHERE exam_id = $1"),
        )
        .bind(exam_id)
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(())
    }
}

#[track]
async fn patients_today(store: &Store) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM exam")
        .fetch_one(&store.pool) // the finding points here
        .await
}

/// What a screen does when it is switched on, in a task of its own.
async fn screen(store: Store, exam_id: i64) -> sqlx::Result<Screen> {
    let mut screen = Screen::switch_on(&store).await?;
    screen.show(&store, exam_id).await?;
    Ok(screen)
}

pub(super) async fn play(clinic: &Clinic) -> Result<Held<'_>, Error> {
    let store = clinic.store.apart("screens", CONNECTIONS).await?;
    let worklist = clinic.exams.worklist(TONOMETER.kind).await?;
    let mut switched_on = JoinSet::new();
    for (_, exam) in (0..CONNECTIONS).zip(&worklist) {
        switched_on.spawn(screen(store.clone(), exam.id));
    }
    let screens: sqlx::Result<Vec<Screen>> = switched_on.join_all().await.into_iter().collect();
    let screens = screens?;
    serve("the reception", patients_today(&store).await)?;
    Ok(Box::new(screens))
}
