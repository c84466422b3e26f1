//! A session that is killed while it copies.

use futures::TryStreamExt;

use super::world::World;
use super::{Db, SESSION};
use crate::common::one_of;

const IN: &str = "COPY exam (name) FROM STDIN";
const OUT: &str = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT";

/// The outcomes of a COPY whose session was killed: they depend on how far it had come.
const CUT: &[&str] = &[
    "Database 57P01",
    "Io UnexpectedEof",
    "Io ConnectionReset",
    "Io BrokenPipe",
];

situations! {
    World::new();

    before_it => one_of(CUT), |pool, world| {
        let mut conn = pool.acquire().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *conn).await?;
        world.kills(session).await;
        conn.copy_in_raw(IN).await.map(drop)
    }

    in_the_middle => one_of(CUT), |pool, world| {
        let mut conn = pool.acquire().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *conn).await?;
        let mut copy = conn.copy_in_raw(IN).await?;
        copy.send("a\n".as_bytes()).await?;
        world.kills(session).await;
        copy.finish().await.map(drop)
    }

    aborted => one_of(CUT), |pool, world| {
        let mut conn = pool.acquire().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *conn).await?;
        let mut copy = conn.copy_in_raw(IN).await?;
        copy.send("a\n".as_bytes()).await?;
        world.kills(session).await;
        copy.abort("as tested").await
    }

    dropped_in_the_middle => one_of(CUT), |pool, world| {
        let mut conn = pool.acquire().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *conn).await?;
        let copy = conn.copy_in_raw(IN).await?;
        world.kills(session).await;
        drop(copy);
        conn.execute("SELECT 1").await.map(drop)
    }

    out => one_of(CUT), |pool, world| {
        let mut conn = pool.acquire().await?;
        let mut chunks = conn.copy_out_raw(OUT).await?;
        chunks.try_next().await?;
        world.kills_sessions_running("COPY").await;
        while chunks.try_next().await?.is_some() {}
        Ok(())
    }
}
