//! Operations on the whole pool: close, and migrations.

use leash_tests::assert_whole;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

use super::super::pool_of;
use crate::common::poll_at_most;

use super::MOST;

/// A cancelled `close` still closes the pool, and later calls do not wait for it.
#[tokio::test]
async fn close() {
    for polls in 0..2 {
        let Some(pool) = pool_of(2).await else { return };
        let held = pool.acquire().await.unwrap();
        assert!(poll_at_most(polls, pool.close()).await.is_none());
        assert!(pool.is_closed(), "closing begins with the call");
        let error = pool.acquire().await.map(drop).unwrap_err();
        assert!(matches!(error, sqlx::Error::PoolClosed), "{error}");
        drop(held);
        pool.close().await;
        pool.assert_empty();
        assert_eq!(pool.stats().size, 0);
    }
}

/// A migrator acquires its connection through sqlx's own trait, and begins sqlx's own transactions on it.
#[tokio::test]
async fn migrations() {
    let Some(pool) = pool_of(2).await else { return };
    let mut migrator = Migrator::with_migrations(vec![Migration::new(
        1,
        "a table".into(),
        MigrationType::Simple,
        "CREATE TABLE migrated (id BIGINT PRIMARY KEY)".into_sql_str(),
        false,
    )]);
    // The lock belongs to the session: with sqlx, too, a cancelled run leaves it to the connection's next user.
    migrator.set_locking(false);
    for polls in 0..MOST {
        for table in ["migrated", "_sqlx_migrations"] {
            let sql = format!("DROP TABLE IF EXISTS {table}");
            pool.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let ended = poll_at_most(polls, migrator.run(&*pool)).await;
        assert_whole(&pool, &format!("{polls} polls of a migration")).await;
        if let Some(result) = ended {
            result.unwrap();
            return;
        }
    }
    panic!("the migration never ends");
}
