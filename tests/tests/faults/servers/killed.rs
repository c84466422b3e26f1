//! A session that is killed: while idle, during a statement, and in every state of a transaction.

use futures::TryStreamExt;

use super::world::World;
use super::{Db, KILLED, KILLED_BEFORE, ROWS, SESSION, SLEEP};
use crate::common::{error, one_of, well};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

situations! {
    World::new();

    /// The pool tests an idle connection before it hands it out.
    in_the_pool => well(), |pool, world| {
        let mut conn = pool.acquire().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *conn).await?;
        conn.return_to_pool().await;
        world.kills(session).await;
        let mut conn = pool.acquire().await?;
        let another: i64 = db::query_scalar(SESSION).fetch_one(&mut *conn).await?;
        assert_ne!(session, another);
        Ok(())
    }

    in_idle_hands => error(KILLED_BEFORE), |pool, world| {
        let mut conn = pool.acquire().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *conn).await?;
        world.kills(session).await;
        conn.execute("SELECT 1").await.map(drop)
    }

    at_a_ping => error(KILLED_BEFORE), |pool, world| {
        let mut conn = pool.acquire().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *conn).await?;
        world.kills(session).await;
        conn.ping().await
    }

    in_mid_statement => error(KILLED), |pool, world| {
        let mut conn = pool.acquire().await?;
        let sleeps = db::query(SLEEP).execute(&mut *conn);
        futures::join!(sleeps, world.kills_sessions_running(SLEEP)).0.map(drop)
    }

    in_mid_statement_of_the_pool => error(KILLED), |pool, world| {
        let sleeps = db::query(SLEEP).fetch_all(pool);
        futures::join!(sleeps, world.kills_sessions_running(SLEEP)).0.map(drop)
    }

    in_mid_stream => one_of(&["Database 57P01", "Io UnexpectedEof", "Io ConnectionReset"]), |pool, world| {
        let mut rows = db::query(ROWS).fetch(pool);
        rows.try_next().await?;
        world.kills_sessions_running(ROWS).await;
        while rows.try_next().await?.is_some() {}
        Ok(())
    }

    at_begin => error(KILLED_BEFORE), |pool, world| {
        let mut conn = pool.acquire().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *conn).await?;
        world.kills(session).await;
        conn.begin().await.map(drop)
    }

    inside_a_transaction => error(KILLED_BEFORE), |pool, world| {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *tx).await?;
        world.kills(session).await;
        let ended = tx.execute(INSERT).await;
        assert_eq!(world.written().await, 0);
        ended.map(drop)
    }

    inside_a_transaction_at_work => error(KILLED), |pool, world| {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        let sleeps = db::query(SLEEP).execute(&mut *tx);
        futures::join!(sleeps, world.kills_sessions_running(SLEEP)).0?;
        tx.commit().await
    }

    at_commit => error(KILLED_BEFORE), |pool, world| {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *tx).await?;
        world.kills(session).await;
        let ended = tx.commit().await;
        assert_eq!(world.written().await, 0);
        ended
    }

    at_rollback => error(KILLED_BEFORE), |pool, world| {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *tx).await?;
        world.kills(session).await;
        tx.rollback().await
    }

    /// The rollback of a dropped transaction fails, and no caller receives the error: sqlx closes the connection.
    before_a_transaction_is_dropped => error(KILLED_BEFORE), |pool, world| {
        let mut tx = pool.begin().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *tx).await?;
        world.kills(session).await;
        let ended = tx.execute("SELECT 1").await.map(drop);
        drop(tx);
        ended
    }

    in_a_savepoint => error(KILLED_BEFORE), |pool, world| {
        let mut tx = pool.begin().await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute(INSERT).await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *savepoint).await?;
        world.kills(session).await;
        savepoint.commit().await
    }

    at_a_savepoint => error(KILLED_BEFORE), |pool, world| {
        let mut tx = pool.begin().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *tx).await?;
        world.kills(session).await;
        tx.begin().await.map(drop)
    }
}
