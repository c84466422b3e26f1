//! Procedures run their own transactions, whose begin the driver does not see.

use leash_tests::{IsInside, assert_whole};
use sqlx::{Executor, MySqlPool, track};

use super::pool_of;
use crate::common::{TestPool, check_sums};

async fn pool() -> Option<TestPool<sqlx::MySql>> {
    let pool = pool_of(2).await?;
    for procedure in [
        "CREATE PROCEDURE book() BEGIN START TRANSACTION; INSERT INTO exam (name) VALUES ('booked'); COMMIT; END",
        "CREATE PROCEDURE cancel_all() BEGIN START TRANSACTION; DELETE FROM exam; ROLLBACK; END",
        "CREATE PROCEDURE open_ended() BEGIN START TRANSACTION; INSERT INTO exam (name) VALUES ('open'); END",
        "CREATE PROCEDURE worklist() BEGIN SELECT 1 AS id; SELECT 2 AS id UNION SELECT 3; END",
    ] {
        sqlx::raw_sql(procedure).execute(&*pool).await.unwrap();
    }
    Some(pool)
}

async fn exams(pool: &MySqlPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM exam")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn one_call_whatever_it_does() {
    #[track]
    async fn calls(pool: &MySqlPool) -> sqlx::Result<()> {
        sqlx::query("CALL book()").execute(pool).await?;
        sqlx::query("CALL cancel_all()").execute(pool).await?;
        let rows = sqlx::query("CALL worklist()").fetch_all(pool).await?;
        assert_eq!(rows.len(), 3);
        Ok(())
    }
    let Some(pool) = pool().await else { return };
    let earlier = pool.stats().control;
    calls(&pool).await.unwrap();
    assert_eq!(pool.stats().control, earlier, "sqlx began nothing");
    assert_eq!(exams(&pool).await, 1);
    check_sums(
        "backends::mysql::procedures::one_call_whatever_it_does::calls",
        &[(1, 1, 0, 0, 0, 1), (1, 1, 0, 0, 0, 1), (1, 1, 0, 0, 3, 0)],
    );
    assert_whole(&pool, "procedures").await;
}

/// MariaDB's START TRANSACTION commits the open transaction, so the rollback has nothing to undo.
#[tokio::test]
async fn inside_a_transaction() {
    let Some(pool) = pool().await else { return };
    let mut tx = pool.begin().await.unwrap();
    tx.execute("INSERT INTO exam (name) VALUES ('before')")
        .await
        .unwrap();
    tx.execute("CALL book()").await.unwrap();
    assert_eq!(pool.handles()[0].transaction_depth, 1, "as sqlx has it");
    tx.rollback().await.unwrap();
    assert_eq!(exams(&pool).await, 2);
    assert_whole(&pool, "a procedure in a transaction").await;
}

#[tokio::test]
async fn left_open() {
    let Some(pool) = pool().await else { return };
    let mut connection = pool.acquire().await.unwrap();
    connection.execute("CALL open_ended()").await.unwrap();
    assert!(connection.as_mut().is_inside().await);
    assert_eq!(pool.handles()[0].transaction_depth, 0, "sqlx began none");
    connection.execute("ROLLBACK").await.unwrap();
    drop(connection);
    assert_eq!(exams(&pool).await, 0);
    assert_whole(&pool, "a procedure that leaves its transaction open").await;
}

#[tokio::test]
async fn given_up_in_the_middle() {
    let Some(pool) = pool().await else { return };
    for polls in 0..100 {
        let call = sqlx::query("CALL book()").execute(&*pool);
        let ended = crate::common::poll_at_most(polls, call).await;
        assert_whole(&pool, &format!("{polls} polls of a procedure")).await;
        if let Some(result) = ended {
            result.unwrap();
            return;
        }
    }
    panic!("the call never ends");
}
