//! A listener is a handle reserved for listening, and lets its pool close.

use std::sync::Mutex;
use std::time::Duration;

use futures::StreamExt;
use leash_tests::assert_whole;
use sqlx::postgres::PgListener;
use sqlx::{ConnectOptions, Executor, PgPool, track};

use super::cancel::{Operation, Pool, at_every_poll};
use super::pool_of;
use crate::common::{poll_at_most, silent};

#[tokio::test]
async fn a_reserved_handle() {
    let Some(pool) = pool_of(2).await else { return };
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen("exams").await.unwrap();
    let handle = pool.handles().remove(0);
    assert_eq!(handle.reserved.as_deref(), Some("PgListener"));
    let stats = pool.stats();
    assert_eq!((stats.handles, stats.reserved, stats.acquired), (1, 1, 1));
    pool.execute("NOTIFY exams, '17'").await.unwrap();
    assert_eq!(listener.recv().await.unwrap().payload(), "17");
    let mut stream = listener.into_stream();
    assert_eq!(pool.stats().reserved, 1, "the stream holds the handle");
    pool.execute("NOTIFY exams, '18'").await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().payload(), "18");
    drop(stream);
    assert_whole(&pool, "a listener").await;
    // A listener on its own connection holds no permit.
    let url = pool.connect_options().to_url_lossy();
    let own = PgListener::connect(url.as_str()).await.unwrap();
    pool.assert_empty();
    drop(own);
}

/// A listener may outlive the function that made it: it is meant to live long.
#[tokio::test]
async fn no_finding_where_it_stays() {
    #[track]
    async fn listens(pool: &PgPool, kept: &Mutex<Option<PgListener>>) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen("exams").await?;
        *kept.lock().unwrap() = Some(listener);
        Ok(())
    }
    let Some(pool) = pool_of(1).await else { return };
    let kept = Mutex::default();
    silent(&pool, async {
        listens(&pool, &kept).await.unwrap();
        assert_eq!(pool.stats().reserved, 1);
        kept.lock().unwrap().take();
    })
    .await;
    assert_whole(&pool, "a listener that stayed").await;
}

#[tokio::test]
async fn its_pool_closes() {
    let Some(pool) = pool_of(2).await else { return };
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen("exams").await.unwrap();
    let waiting = tokio::spawn(async move {
        let error = listener.recv().await.map(drop).unwrap_err();
        matches!(error, sqlx::Error::PoolClosed)
    });
    pool.close().await;
    assert!(waiting.await.unwrap(), "the listener was notified");
    pool.assert_empty();
    assert_eq!(pool.stats().size, 0);
}

/// A cancelled `recv` loses no later notification.
#[tokio::test]
async fn a_wait_given_up() {
    let Some(pool) = pool_of(2).await else { return };
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen("exams").await.unwrap();
    for number in 0..20 {
        assert!(poll_at_most(1, listener.recv()).await.is_none());
        let timed_out = tokio::time::timeout(Duration::ZERO, listener.try_recv()).await;
        assert!(timed_out.is_err());
        sqlx::query("SELECT pg_notify('exams', $1)")
            .bind(number.to_string())
            .execute(&*pool)
            .await
            .unwrap();
        let received = listener.recv().await.unwrap();
        assert_eq!(received.payload(), number.to_string());
    }
    drop(listener);
    assert_whole(&pool, "a cancelled wait").await;
}

given_up!(given_up:
    "connect_with" => |pool| { PgListener::connect_with(pool).await? }
    "listen" => |pool| {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen("exams").await?;
    }
    "listen_all" => |pool| {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen_all(["exams", "patients"]).await?;
        listener.unlisten("exams").await?;
        listener.unlisten_all().await?;
    }
    "recv" => |pool| {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen("exams").await?;
        pool.execute("NOTIFY exams").await?;
        listener.recv().await?
    }
    "a statement" => |pool| {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.execute("SELECT 1").await?
    }
);
