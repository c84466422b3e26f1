//! A listener whose session is killed connects again.

use super::world::World;
use super::{Db, SESSION};
use crate::common::{error, well};

/// Selects another session that listens.
const LISTENS: &str = "SELECT pid::BIGINT FROM pg_stat_activity WHERE datname = current_database() \
     AND pid <> $1 AND state = 'idle' AND query LIKE 'LISTEN%'";

situations! {
    World::new();

    reported_by_try_recv => well(), |pool, world| {
        let mut listener = db::postgres::PgListener::connect_with(pool).await?;
        listener.listen("exams").await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut listener).await?;
        world.kills(session).await;
        assert!(listener.try_recv().await?.is_none(), "the connection was lost");
        pool.execute("NOTIFY exams, 'passed'").await?;
        assert_eq!(listener.recv().await?.payload(), "passed");
        Ok(())
    }

    not_reported_by_recv => well(), |pool, world| {
        let mut listener = db::postgres::PgListener::connect_with(pool).await?;
        listener.listen("exams").await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut listener).await?;
        let sends = async {
            world.kills(session).await;
            world.sees(LISTENS, session).await;
            pool.execute("NOTIFY exams, 'passed'").await
        };
        let (received, notified) = futures::join!(listener.recv(), sends);
        notified?;
        assert_eq!(received?.payload(), "passed");
        Ok(())
    }

    at_a_statement => error(&["Database 57P01"]), |pool, world| {
        let mut listener = db::postgres::PgListener::connect_with(pool).await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut listener).await?;
        world.kills(session).await;
        listener.execute("SELECT 1").await.map(drop)
    }
}
