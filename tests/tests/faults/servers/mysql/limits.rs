//! Limits that MariaDB enforces: timeouts, and deadlocks, which roll back the whole transaction.

use super::world::World;
use super::{Db, SLEEP};
use crate::common::error;
use crate::servers::{FAILED, FIRST, NESTED, OUTSIDE, SECOND};

const INSERT: &str = "INSERT INTO exam (id, name) VALUES (1, 'x'), (2, 'x'), (3, 'x')";
const THIRD: &str = "UPDATE exam SET name = 'y' WHERE id = 3";

situations! {
    World::new();

    /// The same limit applies to the statement that resets it, however busy the machine is.
    max_statement_time => error(&["Database 1969"]), |pool, _world| {
        let mut tx = pool.begin().await?;
        tx.execute("SET max_statement_time = 0.5").await?;
        let ended = db::query(SLEEP).execute(&mut *tx).await;
        tx.execute("SET max_statement_time = 0").await?;
        tx.rollback().await?;
        ended.map(drop)
    }

    /// Only the statement is rolled back: the transaction goes on.
    innodb_lock_wait_timeout => error(&["Database 1205"]).found(NESTED), |pool, world| {
        pool.execute(INSERT).await?;
        let (mut one, mut other) = (pool.begin().await?, pool.begin().await?);
        one.execute(FIRST).await?;
        other.execute("SET innodb_lock_wait_timeout = 0").await?;
        other.execute("DELETE FROM exam WHERE id = 2").await?;
        let ended = other.execute(FIRST).await;
        other.execute("SET innodb_lock_wait_timeout = 50").await?;
        other.commit().await?;
        one.rollback().await?;
        assert_eq!(world.written().await, 2);
        ended.map(drop)
    }

    /// MariaDB rolls back the transaction that has written less.
    deadlock => error(&["Database 1213"]).found(FAILED), |pool, world| {
        pool.execute(INSERT).await?;
        let (mut one, mut other) = (pool.begin().await?, pool.begin().await?);
        one.execute(FIRST).await?;
        other.execute("DELETE FROM exam WHERE id = 3").await?;
        other.execute(SECOND).await?;
        let meets = async {
            world.sees_running(SECOND, 1).await;
            other.execute(FIRST).await
        };
        let (ended, met) = futures::join!(one.execute(SECOND), meets);
        met?;
        one.commit().await?;
        other.rollback().await?;
        assert_eq!(world.written().await, 3);
        ended.map(drop)
    }

    /// The server dropped the savepoint with its transaction; the driver does not know this.
    deadlock_in_a_savepoint => error(&["Database 1305"]), |pool, world| {
        pool.execute(INSERT).await?;
        let (mut one, mut other) = (pool.begin().await?, pool.begin().await?);
        let mut savepoint = one.begin().await?;
        savepoint.execute(FIRST).await?;
        other.execute(THIRD).await?;
        other.execute(SECOND).await?;
        let meets = async {
            world.sees_running(SECOND, 1).await;
            other.execute(FIRST).await
        };
        let (ended, met) = futures::join!(savepoint.execute(SECOND), meets);
        met?;
        ended.unwrap_err();
        let ended = savepoint.rollback().await;
        other.rollback().await?;
        ended
    }

    serialization => error(&["Database 1020"]).found(OUTSIDE), |pool, _world| {
        pool.execute(INSERT).await?;
        let mut conn = pool.acquire().await?;
        conn.execute("SET innodb_snapshot_isolation = ON").await?;
        let mut one = conn.begin_with("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
        pool.execute(FIRST).await?;
        let ended = one.execute(FIRST).await;
        one.rollback().await?;
        conn.execute("SET innodb_snapshot_isolation = DEFAULT").await?;
        ended.map(drop)
    }
}
