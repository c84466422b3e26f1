//! COPY through the pool is a handle while it runs.

use futures::TryStreamExt;
use leash_tests::assert_whole;
use sqlx::leash::Activity;
use sqlx::postgres::{PgPoolCopyExt, PgPoolOptions};
use sqlx::{PgPool, track};

use super::cancel::Operation;
use super::pool_of;
use crate::common::{TestPool, leaks, poll_at_most, silent};

const IN: &str = "COPY exam (name) FROM STDIN";
const OUT: &str = "COPY (SELECT generate_series(1, 10000)) TO STDOUT";

#[tokio::test]
async fn a_handle_while_it_runs() {
    let Some(pool) = pool_of(1).await else { return };
    let activity = || pool.handles()[0].activity;
    let mut copy = pool.copy_in_raw(IN).await.unwrap();
    assert_eq!(activity(), Activity::Streaming);
    copy.send("a\nb\n".as_bytes()).await.unwrap();
    assert_eq!(activity(), Activity::Streaming);
    assert_eq!(copy.finish().await.unwrap(), 2);
    pool.assert_empty();
    let copy = pool.copy_in_raw(IN).await.unwrap();
    copy.abort("as tested").await.unwrap();
    pool.assert_empty();

    let mut out = pool.copy_out_raw(OUT).await.unwrap();
    assert_eq!(activity(), Activity::Streaming);
    let mut bytes = 0;
    while let Some(chunk) = out.try_next().await.unwrap() {
        bytes += chunk.len();
    }
    assert_eq!(bytes, 48_894);
    // sqlx's stream drops its connection when it ends.
    pool.assert_empty();
    drop(out);
    assert_whole(&pool, "a COPY").await;

    let earlier = pool.stats();
    pool.copy_in_raw("COPY nowhere FROM STDIN")
        .await
        .map(drop)
        .unwrap_err();
    let stats = pool.stats();
    assert_eq!(stats.acquire_errors - earlier.acquire_errors, 1);
    assert_whole(&pool, "a refused COPY").await;
}

#[tokio::test]
async fn found_where_it_is_kept() {
    type Kept = std::sync::Mutex<Option<sqlx::postgres::PgPoolCopyIn>>;
    #[track]
    async fn keeps(pool: &PgPool, kept: &Kept) {
        let copy = pool.copy_in_raw(IN).await.unwrap(); // @copy
        *kept.lock().unwrap() = Some(copy);
    }
    #[track]
    async fn in_order(pool: &PgPool) -> sqlx::Result<u64> {
        let mut copy = pool.copy_in_raw(IN).await?;
        copy.send("a\n".as_bytes()).await?;
        copy.finish().await
    }
    let Some(pool) = pool_of(1).await else { return };
    silent(&pool, async { in_order(&pool).await.unwrap() }).await;
    let kept = Kept::default();
    let name = "backends::postgres::copy::found_where_it_is_kept::keeps";
    leaks("copy", "copy_in_raw", name, keeps(&pool, &kept)).await;
    let copy = kept.into_inner().unwrap().unwrap();
    copy.finish().await.unwrap();
    assert_whole(&pool, "a kept COPY").await;
}

/// A cancelled COPY leaves nothing with the tracker.
///
/// With sqlx, its connection is not usable afterwards ("connection will error on next use"), and is not even returned
/// if the COPY was cancelled before the server had accepted it: so each case has its own pool.
#[tokio::test]
async fn given_up() {
    let operations: &[(&str, Operation)] = &[
        ("in", |pool| {
            Box::pin(async move {
                let mut copy = pool.copy_in_raw(IN).await?;
                copy.send("a\nb\n".as_bytes()).await?;
                copy.read_from("c\n".as_bytes()).await?;
                copy.finish().await.map(drop)
            })
        }),
        ("in, and aborted", |pool| {
            Box::pin(async move {
                let mut copy = pool.copy_in_raw(IN).await?;
                copy.send("a\nb\n".as_bytes()).await?;
                copy.abort("as tested").await
            })
        }),
        ("in, in a transaction", |pool| {
            Box::pin(async move {
                let mut tx = pool.begin().await?;
                let mut copy = tx.copy_in_raw(IN).await?;
                copy.send("a\nb\n".as_bytes()).await?;
                copy.finish().await?;
                tx.commit().await
            })
        }),
        ("out", |pool| {
            Box::pin(async move {
                let chunks = pool.copy_out_raw(OUT).await?;
                chunks.try_collect::<Vec<_>>().await.map(drop)
            })
        }),
        ("out of a connection", |pool| {
            Box::pin(async move {
                let mut connection = pool.acquire().await?;
                let chunks = connection.copy_out_raw(OUT).await?;
                chunks.try_collect::<Vec<_>>().await.map(drop)
            })
        }),
    ];
    let Some(database) = pool_of(1).await else {
        return;
    };
    for (name, operation) in operations {
        for polls in 0.. {
            let options = PgPoolOptions::new().max_connections(1);
            let connect = (*database.connect_options()).clone();
            let pool = TestPool::new(options.connect_with(connect).await.unwrap(), ());
            let ended = poll_at_most(polls, operation(&pool)).await;
            pool.assert_empty();
            if let Some(result) = ended {
                result.unwrap_or_else(|error| panic!("{name}, poll {polls}: {error}"));
                assert_whole(&pool, name).await;
                break;
            }
            assert!(polls < 1_000, "{name} never ends");
        }
    }
}
