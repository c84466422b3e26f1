//! Each statement is one call, by every method.

use futures::{StreamExt, TryStreamExt};
use sqlx::{Executor, track};

use super::super::{BY_ID, pool_of};
use crate::common::{HUNDRED, check_sums};

use super::{INSERT, Pool};

#[tokio::test]
#[expect(deprecated, reason = "people use `fetch_many`")]
async fn by_method() {
    #[track]
    async fn methods(pool: &Pool) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(pool).await?;
        sqlx::query("INSERT INTO exam (name) VALUES ('a'), ('b'), ('c')")
            .execute(pool)
            .await?;
        sqlx::query("UPDATE exam SET name = 'z' WHERE id > 2")
            .execute(pool)
            .await?;
        sqlx::query("SELECT * FROM exam").execute(pool).await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_one(pool).await?;
        let nothing = sqlx::query(BY_ID).bind(-1_i64).fetch_one(pool).await;
        assert!(matches!(nothing, Err(sqlx::Error::RowNotFound)));
        let row = sqlx::query(BY_ID).bind(2_i64).fetch_optional(pool).await?;
        assert!(row.is_some());
        let row = sqlx::query(BY_ID).bind(-2_i64).fetch_optional(pool).await?;
        assert!(row.is_none());
        sqlx::query("SELECT * FROM exam").fetch_all(pool).await?;
        sqlx::query("SELECT * FROM exam WHERE id > 2")
            .fetch_many(pool)
            .try_collect::<Vec<_>>()
            .await?;
        pool.fetch_all("SELECT * FROM exam").await?;
        pool.execute("DELETE FROM exam WHERE id < 3").await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
            .fetch_one(pool)
            .await?;
        assert_eq!(count, 2);
        Ok(())
    }
    let Some(pool) = pool_of(2).await else { return };
    methods(&pool).await.unwrap();
    check_sums(
        &here!("by_method::methods"),
        &[
            (1, 1, 0, 0, 0, 1),
            (1, 1, 0, 0, 0, 3),
            (1, 1, 0, 0, 0, 2),
            (1, 1, 0, 0, 4, 0),
            (1, 1, 0, 0, 1, 0),
            (1, 1, 0, 0, 0, 0),
            (1, 1, 0, 0, 1, 0),
            (1, 1, 0, 0, 0, 0),
            (1, 1, 0, 0, 4, 0),
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 4, 0),
            (1, 1, 0, 0, 0, 2),
            (1, 1, 0, 0, 1, 0),
        ],
    );
}

#[tokio::test]
async fn by_stream() {
    #[track]
    async fn complete(pool: &Pool) -> usize {
        sqlx::query(HUNDRED).fetch(pool).count().await
    }
    #[track]
    async fn half(pool: &Pool) -> sqlx::Result<()> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        for _ in 0..40 {
            rows.try_next().await?.unwrap();
        }
        Ok(())
    }
    #[track]
    async fn never_polled(pool: &Pool) {
        drop(sqlx::query(HUNDRED).fetch(pool));
        drop(sqlx::query(HUNDRED).fetch_all(pool));
        drop(pool.execute(INSERT));
    }
    #[track]
    async fn on_a_connection(pool: &Pool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        sqlx::query(HUNDRED)
            .fetch(&mut *connection)
            .try_next()
            .await?;
        let all = connection.fetch(HUNDRED).count().await;
        assert_eq!(all, 100);
        Ok(())
    }
    #[track]
    async fn in_a_transaction(pool: &Pool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        sqlx::query(HUNDRED).fetch(&mut *tx).try_next().await?;
        let all = tx.fetch(HUNDRED).count().await;
        assert_eq!(all, 100);
        tx.commit().await
    }
    let Some(pool) = pool_of(2).await else { return };
    assert_eq!(complete(&pool).await, 100);
    half(&pool).await.unwrap();
    never_polled(&pool).await;
    on_a_connection(&pool).await.unwrap();
    in_a_transaction(&pool).await.unwrap();
    check_sums(&here!("by_stream::complete"), &[(1, 1, 0, 0, 100, 0)]);
    check_sums(&here!("by_stream::half"), &[(1, 0, 0, 1, 40, 0)]);
    check_sums(&here!("by_stream::never_polled"), &[]);
    let first_and_all = [(1, 0, 0, 1, 1, 0), (1, 1, 0, 0, 100, 0)];
    check_sums(&here!("by_stream::on_a_connection"), &first_and_all);
    check_sums(&here!("by_stream::in_a_transaction"), &first_and_all);
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn several_statements_in_one() {
    #[track]
    async fn several(pool: &Pool) -> sqlx::Result<()> {
        sqlx::raw_sql("INSERT INTO exam VALUES (1, 'a'); INSERT INTO exam VALUES (2, 'b')")
            .execute(pool)
            .await?;
        sqlx::raw_sql("UPDATE exam SET name = 'c'; DELETE FROM exam")
            .execute_many(pool)
            .try_collect::<Vec<_>>()
            .await?;
        let rows = sqlx::raw_sql("SELECT 1; SELECT 2 UNION SELECT 3")
            .fetch_all(pool)
            .await?;
        assert_eq!(rows.len(), 3);
        Ok(())
    }
    let Some(pool) = pool_of(2).await else { return };
    several(&pool).await.unwrap();
    check_sums(
        &here!("several_statements_in_one::several"),
        &[(1, 1, 0, 0, 0, 2), (1, 1, 0, 0, 0, 4), (1, 1, 0, 0, 3, 0)],
    );
}
