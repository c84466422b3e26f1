//! Programs to look at: the failures of the clinic, which last until their acquires time out.

use std::sync::Arc;
use std::time::Duration;

use sqlx::leash::PoolExt;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Sqlite, SqlitePool, track};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Long enough for a browser to look at what waits.
const ACQUIRE_TIMEOUT: Duration = Duration::from_mins(2);

pub(crate) async fn pool(name: &str, connections: u32) -> SqlitePool {
    let options = SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = options.connect("sqlite::memory:").await.unwrap();
    pool.named(name)
}

pub(crate) struct Reception {
    pool: SqlitePool,
    all_here: Barrier,
}

#[track]
impl Reception {
    async fn admit(&self) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?; // @admit
        sqlx::query("SELECT 1").execute(&mut *tx).await?;
        self.all_here.wait().await;
        self.is_licensed().await?;
        tx.commit().await
    }

    async fn is_licensed(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 2 AS licence")
            .execute(&self.pool) // @licensed
            .await?;
        Ok(())
    }
}

/// Two devices each hold the connection that the other one waits for.
pub(crate) async fn deadlock() {
    let reception = Arc::new(Reception {
        pool: pool("reception", 2).await,
        all_here: Barrier::new(2),
    });
    let mut devices = JoinSet::new();
    for _ in 0..2 {
        let reception = Arc::clone(&reception);
        devices.spawn(async move { reception.admit().await });
    }
    devices.join_all().await;
}

struct Screen {
    _connection: PoolConnection<Sqlite>,
}

#[track]
impl Screen {
    async fn switch_on(pool: &SqlitePool) -> sqlx::Result<Self> {
        let mut connection = pool.acquire().await?; // @screen
        sqlx::query("SELECT 3").execute(&mut *connection).await?;
        Ok(Self {
            _connection: connection,
        })
    }
}

#[track]
async fn patients_today(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT 4").execute(pool).await?; // @patients
    Ok(())
}

/// Two screens keep the connections that the reception needs.
pub(crate) async fn hoarder() {
    let pool = pool("screens", 2).await;
    let mut screens = Vec::new();
    for _ in 0..2 {
        screens.push(Screen::switch_on(&pool).await.unwrap());
    }
    patients_today(&pool).await.unwrap();
}

pub(crate) struct Archive {
    exams: SqlitePool,
    records: SqlitePool,
    all_here: Barrier,
}

#[track]
impl Archive {
    async fn put_away(&self) -> sqlx::Result<()> {
        let exams = self.exams.begin().await?; // @put away
        self.all_here.wait().await;
        let records = self.records.begin().await?; // @put into
        records.commit().await?;
        exams.commit().await
    }

    async fn fetch_back(&self) -> sqlx::Result<()> {
        let records = self.records.begin().await?; // @fetch back
        self.all_here.wait().await;
        let exams = self.exams.begin().await?; // @fetch into
        exams.commit().await?;
        records.commit().await
    }
}

/// Putting away and fetching back take two pools in opposite order.
pub(crate) async fn two_pools() {
    let archive = Archive {
        exams: pool("exams", 1).await,
        records: pool("records", 1).await,
        all_here: Barrier::new(2),
    };
    let _ = tokio::join!(archive.put_away(), archive.fetch_back());
}

/// `programs.rs:LINE` of the line with this mark.
pub(crate) fn line(mark: &str) -> String {
    let comment = format!("// @{mark}");
    let mut lines = include_str!("programs.rs").lines();
    let index = lines.position(|line| line.ends_with(&comment));
    format!("programs.rs:{}", index.expect("the mark is there") + 1)
}
