//! What the finding says of the pool's timeouts is what sqlx does: the database is lost, and with the advised code it is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::{advised, memory};
use crate::common::until;

const SOON: Duration = Duration::from_millis(20);

/// Counts the connections that a pool opens.
#[derive(Clone, Default)]
struct Opened(Arc<AtomicU32>);

impl Opened {
    fn by(&self, options: SqlitePoolOptions) -> SqlitePoolOptions {
        let counter = Arc::clone(&self.0);
        options.after_connect(move |_, _| {
            counter.fetch_add(1, Relaxed);
            Box::pin(async { Ok(()) })
        })
    }

    async fn has(&self, number: u32) {
        until("connections are opened", || self.0.load(Relaxed) >= number).await;
    }
}

async fn create(pool: &SqlitePool) {
    sqlx::raw_sql("CREATE TABLE kept (id INTEGER)")
        .execute(pool)
        .await
        .unwrap();
}

async fn is_kept(pool: &SqlitePool) -> bool {
    let select = sqlx::query("SELECT count(*) FROM kept");
    select.execute(pool).await.is_ok()
}

async fn loses(options: SqlitePoolOptions, database: SqliteConnectOptions) {
    let pool = options.connect_with(database).await.unwrap();
    create(&pool).await;
    until("the last connection is closed", || pool.size() == 0).await;
    assert!(!is_kept(&pool).await);
}

fn shared() -> SqliteConnectOptions {
    "sqlite::memory:".parse().unwrap()
}

#[tokio::test]
async fn the_idle_time_deletes_the_database() {
    let options = || SqlitePoolOptions::new().idle_timeout(SOON);
    loses(options(), shared()).await;
    loses(options().max_connections(1), memory()).await;
    loses(options().max_lifetime(None), shared()).await;
}

#[tokio::test]
async fn the_age_deletes_the_database() {
    let options = || SqlitePoolOptions::new().max_lifetime(SOON);
    loses(options(), shared()).await;
    loses(options().idle_timeout(None).max_connections(1), memory()).await;
}

/// A connection that is in use is closed when it is given back.
#[tokio::test]
async fn a_busy_connection_goes_at_its_age() {
    let opened = Opened::default();
    let options = opened.by(advised().max_lifetime(SOON).max_connections(1));
    let pool = options.connect_with(shared()).await.unwrap();
    create(&pool).await;
    while opened.0.load(Relaxed) < 2 {
        sqlx::query("SELECT 1").execute(&pool).await.unwrap();
    }
    assert!(!is_kept(&pool).await);
}

/// The witness loses its database, so the time has passed.
#[tokio::test]
async fn the_advised_options_keep_the_database() {
    let shares = advised().connect_with(shared()).await.unwrap();
    let one = advised()
        .max_connections(1)
        .connect_with(memory())
        .await
        .unwrap();
    create(&shares).await;
    create(&one).await;
    loses(SqlitePoolOptions::new().idle_timeout(SOON), shared()).await;
    loses(SqlitePoolOptions::new().max_lifetime(SOON), shared()).await;
    assert!(is_kept(&shares).await);
    assert!(is_kept(&one).await);
}

/// The pool has replaced every connection twice. sqlx closes the second one before it has opened a substitute for the
/// first, if that takes longer than the idle time.
#[tokio::test]
async fn a_minimum_of_two_keeps_the_database() {
    let opened = Opened::default();
    let options = advised()
        .idle_timeout(Duration::from_millis(500))
        .min_connections(2);
    let pool = opened.by(options).connect_with(shared()).await.unwrap();
    create(&pool).await;
    opened.has(6).await;
    assert!(is_kept(&pool).await);
}

#[tokio::test]
async fn a_minimum_of_one_does_not() {
    let opened = Opened::default();
    let options = advised().idle_timeout(SOON).min_connections(1);
    let pool = opened.by(options).connect_with(shared()).await.unwrap();
    create(&pool).await;
    let before = opened.0.load(Relaxed);
    opened.has(before + 1).await;
    assert!(!is_kept(&pool).await);
}

/// Two connections of one age are given back at once.
#[tokio::test]
async fn a_minimum_does_not_keep_the_database_at_its_age() {
    let opened = Opened::default();
    let options = advised()
        .max_lifetime(SOON)
        .min_connections(2)
        .max_connections(2);
    let pool = opened.by(options).connect_with(shared()).await.unwrap();
    create(&pool).await;
    for _ in 0..100 {
        let (one, other) = tokio::join!(pool.acquire(), pool.acquire());
        let before = opened.0.load(Relaxed);
        tokio::time::sleep(SOON * 2).await;
        drop((one, other));
        opened.has(before + 2).await;
        if !is_kept(&pool).await {
            return;
        }
    }
    panic!("the database was kept");
}
