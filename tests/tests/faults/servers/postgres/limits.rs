//! Limits that PostgreSQL enforces: timeouts, deadlocks, transactions that cannot be serialized.

use super::world::World;
use super::{Db, SESSION, SLEEP};
use crate::common::{error, well};
use crate::servers::{FAILED, FIRST, NESTED, OUTSIDE, SECOND};

const INSERT: &str = "INSERT INTO exam (id, name) VALUES (1, 'x'), (2, 'x')";

situations! {
    World::new();

    /// The limit applies to the later statements of the transaction, too, however busy the machine is.
    statement_timeout => error(&["Database 57014"]).found(FAILED), |pool, _world| {
        let mut tx = pool.begin().await?;
        tx.execute("SET LOCAL statement_timeout = '500ms'").await?;
        let ended = db::query(SLEEP).execute(&mut *tx).await;
        let aborted = tx.execute("SELECT 1").await.unwrap_err();
        assert_eq!(aborted.into_database_error().unwrap().code().unwrap(), "25P02");
        tx.rollback().await?;
        ended.map(drop)
    }

    /// The commit of a failed transaction is a rollback, and sqlx returns no error for it.
    statement_timeout_and_commit => well().found(FAILED), |pool, world| {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        tx.execute("SET LOCAL statement_timeout = '500ms'").await?;
        db::query(SLEEP).execute(&mut *tx).await.unwrap_err();
        tx.commit().await?;
        assert_eq!(world.written().await, 0);
        Ok(())
    }

    statement_timeout_in_a_savepoint => well(), |pool, world| {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute("SET LOCAL statement_timeout = '500ms'").await?;
        db::query(SLEEP).execute(&mut *savepoint).await.unwrap_err();
        savepoint.rollback().await?;
        tx.commit().await?;
        assert_eq!(world.written().await, 2);
        Ok(())
    }

    lock_timeout => error(&["Database 55P03"]).found(NESTED), |pool, _world| {
        let mut one = pool.begin().await?;
        one.execute("LOCK TABLE exam").await?;
        let mut other = pool.begin().await?;
        other.execute("SET LOCAL lock_timeout = '30ms'").await?;
        let ended = other.execute(INSERT).await;
        other.rollback().await?;
        one.rollback().await?;
        ended.map(drop)
    }

    idle_in_transaction_session_timeout => error(&["Database 25P03"]), |pool, world| {
        let mut tx = pool.begin().await?;
        let session = db::query_scalar(SESSION).fetch_one(&mut *tx).await?;
        tx.execute("SET LOCAL idle_in_transaction_session_timeout = '30ms'").await?;
        world.sees_gone(session).await;
        tx.execute("SELECT 1").await.map(drop)
    }

    /// PostgreSQL aborts the statement that has waited longer: it detects the deadlock first.
    deadlock => error(&["Database 40P01"]), |pool, world| {
        pool.execute(INSERT).await?;
        let (mut one, mut other) = (pool.begin().await?, pool.begin().await?);
        one.execute(FIRST).await?;
        other.execute(SECOND).await?;
        let meets = async {
            world.sees_running(SECOND, 1).await;
            other.execute(FIRST).await
        };
        let (ended, met) = futures::join!(one.execute(SECOND), meets);
        met?;
        one.rollback().await?;
        other.rollback().await?;
        ended.map(drop)
    }

    serialization => error(&["Database 40001"]).found(OUTSIDE), |pool, _world| {
        pool.execute(INSERT).await?;
        let mut one = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        one.execute("SELECT * FROM exam").await?;
        pool.execute(FIRST).await?;
        let ended = one.execute(FIRST).await;
        one.rollback().await?;
        ended.map(drop)
    }
}
