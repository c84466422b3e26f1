//! `statements`: the same text in every run.

use expect_test::expect;
use sqlx::leash::testing::{Statement, fixture, statements};
use sqlx::leash::{self};
use sqlx::{AssertSqlSafe, SqlitePool, track};
use tokio::sync::oneshot;

use crate::common::pool;

use super::{ids, name, names, seed};

#[tokio::test]
async fn functions_with_their_statements() {
    #[track]
    async fn renames(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        sqlx::query(
            "
            UPDATE exam
            SET name = 'it''s  so'
            WHERE id = 1 -- the first
            ",
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM exam WHERE id = 2")
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
    let pool = pool().await;
    let (result, sent) = statements(async {
        fixture(seed(&pool, 3)).await;
        names(&pool).await?;
        leash::scope("by hand", sqlx::query("SELECT 1").execute(&*pool)).await?;
        sqlx::query("SELECT 2").execute(&*pool).await?;
        renames(&pool).await
    })
    .await;
    result.unwrap();
    expect![[r"
        (no tracked function)
            1 × SELECT 2
        behaviour::pinned::ids
            1 × SELECT id FROM exam
        behaviour::pinned::name
            3 × SELECT name FROM exam WHERE id = ?
        behaviour::pinned::snapshots::functions_with_their_statements::renames
            1 × UPDATE exam SET name = 'it''s  so' WHERE id = 1
            1 × DELETE FROM exam WHERE id = 2
        by hand
            1 × SELECT 1"]]
    .assert_eq(&sent.to_string());
    assert_eq!(sent.calls(), 8);
    let Statement {
        function,
        summary,
        sql,
        calls,
        ..
    } = &sent.rows[2];
    assert_eq!(
        (function.as_deref(), &**summary, &**sql, *calls),
        (
            Some("behaviour::pinned::name"),
            "SELECT exam",
            "SELECT name FROM exam WHERE id = ?",
            3
        )
    );
}

/// Concurrent branches give the same in whatever order they run.
#[tokio::test]
async fn the_order_of_branches_does_not_matter() {
    let pool = pool().await;
    seed(&pool, 1).await;
    let mut sent = Vec::new();
    for first_waits in [true, false] {
        let (tell, told) = oneshot::channel::<()>();
        let (tell, told) = (
            std::cell::Cell::new(Some(tell)),
            std::cell::Cell::new(Some(told)),
        );
        let branch = async |waits: bool| {
            if waits {
                told.take().unwrap().await.unwrap();
            }
            if waits == first_waits {
                ids(&pool).await.unwrap();
            } else {
                name(&pool, 0).await.unwrap();
            }
            if !waits {
                tell.take().unwrap().send(()).unwrap();
            }
        };
        let branches = async { tokio::join!(branch(true), branch(false)) };
        let (_, now) = statements(branches).await;
        sent.push(now.to_string());
    }
    assert_eq!(sent[0], sent[1]);
    let ((), empty) = statements(async {}).await;
    assert_eq!(empty.to_string(), "(no statement)");
}

/// What ran before in the process changes nothing: a call site has counters of its own for its first texts only.
#[tokio::test]
async fn what_ran_before_does_not_matter() {
    #[track]
    async fn dynamic(pool: &SqlitePool, number: usize) {
        let sql = AssertSqlSafe(format!("SELECT {number:02} /* trace {number} */"));
        sqlx::query(sql).execute(pool).await.unwrap();
    }
    let pool = pool().await;
    let of_both = async || {
        let ((), sent) = statements(async {
            for number in [90, 91, 90] {
                dynamic(&pool, number).await;
            }
        })
        .await;
        sent
    };
    for number in 0..80 {
        dynamic(&pool, number).await;
    }
    let sent = of_both().await;
    assert_eq!(
        sent.to_string(),
        "behaviour::pinned::snapshots::what_ran_before_does_not_matter::dynamic\n    2 × SELECT 90\n    1 × SELECT 91"
    );
    assert_eq!(sent.rows[0].summary, "SELECT");
    assert_eq!(sent, of_both().await);
}

/// Texts that differ in comments and white space only are one.
#[tokio::test]
async fn comments_do_not_matter() {
    #[track]
    async fn traced(pool: &SqlitePool, trace: u32) {
        let sql = AssertSqlSafe(format!("SELECT  1 /* traceparent={trace} */"));
        sqlx::query(sql).execute(pool).await.unwrap();
    }
    let pool = pool().await;
    let ((), sent) = statements(async {
        for trace in 0..100 {
            traced(&pool, trace).await;
        }
    })
    .await;
    assert_eq!(sent.rows.len(), 1, "{sent}");
    assert_eq!((&*sent.rows[0].sql, sent.rows[0].calls), ("SELECT 1", 100));
}
