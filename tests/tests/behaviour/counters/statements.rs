//! Each statement is one call, whichever method sends it.

use futures::{StreamExt, TryStreamExt};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, FromRow, QueryBuilder, Row, SqlSafeStr, SqlitePool, Statement, track};

use crate::common::{HUNDRED, pool};

use super::{INSERT, check};

#[tokio::test]
#[expect(deprecated, reason = "people use `fetch_many`")]
async fn by_method() {
    #[track]
    async fn methods(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(pool).await?;
        sqlx::query("INSERT INTO exam (name) VALUES ('a'), ('b'), ('c')")
            .execute(pool)
            .await?;
        sqlx::query("UPDATE exam SET name = 'z' WHERE id > 2")
            .execute(pool)
            .await?;
        sqlx::query("SELECT * FROM exam").execute(pool).await?;
        sqlx::query("SELECT * FROM exam WHERE id = ?")
            .bind(1)
            .fetch_one(pool)
            .await?;
        sqlx::query("SELECT * FROM exam WHERE id = -1")
            .fetch_one(pool)
            .await
            .unwrap_err();
        sqlx::query("SELECT * FROM exam WHERE id = 2")
            .fetch_optional(pool)
            .await?
            .unwrap();
        assert!(
            sqlx::query("SELECT * FROM exam WHERE id = -2")
                .fetch_optional(pool)
                .await?
                .is_none()
        );
        sqlx::query("SELECT * FROM exam").fetch_all(pool).await?;
        sqlx::query("DELETE FROM exam WHERE id = 1 RETURNING id")
            .fetch_all(pool)
            .await?;
        sqlx::query("SELECT * FROM exam WHERE id > 2")
            .fetch_many(pool)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }
    let pool = pool().await;
    methods(&pool).await.unwrap();
    check(
        "by_method::methods",
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
            (1, 1, 0, 0, 1, 1),
            (1, 1, 0, 0, 2, 0),
        ],
    );
}

#[tokio::test]
async fn by_stream() {
    #[track]
    async fn complete(pool: &SqlitePool) -> usize {
        sqlx::query(HUNDRED).fetch(pool).count().await
    }
    #[track]
    async fn half(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        for _ in 0..40 {
            rows.try_next().await?.unwrap();
        }
        Ok(())
    }
    #[track]
    async fn never_polled(pool: &SqlitePool) {
        drop(sqlx::query(HUNDRED).fetch(pool));
        drop(sqlx::query(HUNDRED).fetch_all(pool));
        drop(pool.execute(INSERT));
    }
    #[track]
    async fn breaks_in_the_middle(pool: &SqlitePool) -> usize {
        // The sum overflows at the third row.
        let sql = "WITH RECURSIVE n(i) AS (SELECT 9223372036854775805 UNION ALL SELECT i + 1 FROM n WHERE typeof(i) = 'integer') \
                   SELECT abs(CASE WHEN i = 9223372036854775807 THEN -9223372036854775807 - 1 ELSE i END) FROM n";
        let mut rows = sqlx::query(sql).fetch(pool);
        let mut read = 0;
        while let Some(row) = rows.next().await {
            match row {
                Ok(_) => read += 1,
                Err(_) => return read,
            }
        }
        unreachable!("it breaks");
    }
    #[track]
    async fn on_a_connection(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        sqlx::query(HUNDRED)
            .fetch(&mut *connection)
            .try_next()
            .await?;
        let all = connection.fetch(HUNDRED).count().await;
        assert_eq!(all, 100);
        Ok(())
    }
    let pool = pool().await;
    assert_eq!(complete(&pool).await, 100);
    half(&pool).await.unwrap();
    never_polled(&pool).await;
    assert_eq!(breaks_in_the_middle(&pool).await, 2);
    on_a_connection(&pool).await.unwrap();
    check("by_stream::complete", &[(1, 1, 0, 0, 100, 0)]);
    check("by_stream::half", &[(1, 0, 0, 1, 40, 0)]);
    check("by_stream::never_polled", &[]);
    check("by_stream::breaks_in_the_middle", &[(1, 0, 1, 0, 2, 0)]);
    check(
        "by_stream::on_a_connection",
        &[(1, 0, 0, 1, 1, 0), (1, 1, 0, 0, 100, 0)],
    );
}

#[tokio::test]
async fn several_statements_in_one() {
    #[track]
    async fn several(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::raw_sql("INSERT INTO exam VALUES (1, 'a'); INSERT INTO exam VALUES (2, 'b')")
            .execute(pool)
            .await?;
        let results: Vec<_> = sqlx::raw_sql("UPDATE exam SET name = 'c'; DELETE FROM exam")
            .execute_many(pool)
            .try_collect()
            .await?;
        assert_eq!(results.len(), 2);
        let steps: Vec<_> = sqlx::raw_sql("SELECT 1; SELECT 2 UNION SELECT 3")
            .fetch_many(pool)
            .try_collect()
            .await?;
        assert_eq!(steps.len(), 5);
        pool.execute_many("INSERT INTO exam VALUES (3, 'd'); DELETE FROM exam")
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }
    let pool = pool().await;
    several(&pool).await.unwrap();
    check(
        "several_statements_in_one::several",
        &[
            (1, 1, 0, 0, 0, 2),
            (1, 1, 0, 0, 0, 4),
            (1, 1, 0, 0, 3, 0),
            (1, 1, 0, 0, 0, 2),
        ],
    );
}

#[derive(FromRow)]
struct Exam {
    id: i64,
    name: String,
}

#[tokio::test]
async fn by_kind_of_query() {
    #[track]
    async fn kinds(pool: &SqlitePool) -> sqlx::Result<()> {
        let exams: Vec<Exam> = sqlx::query_as("SELECT * FROM exam").fetch_all(pool).await?;
        assert_eq!((exams[0].id, &*exams[0].name), (1, "a"));
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
            .fetch_one(pool)
            .await?;
        assert_eq!(count, 2);
        let names = sqlx::query("SELECT name FROM exam")
            .map(|row: SqliteRow| row.get::<String, _>(0))
            .fetch_all(pool)
            .await?;
        assert_eq!(names, ["a", "b"]);
        let lengths = sqlx::query("SELECT name FROM exam")
            .try_map(|row: SqliteRow| row.try_get::<String, _>(0))
            .fetch(pool)
            .count()
            .await;
        assert_eq!(lengths, 2);
        let mut builder = QueryBuilder::new("SELECT * FROM exam WHERE id IN (");
        builder.separated(", ").push_bind(1).push_bind(2);
        builder.push(")").build().fetch_all(pool).await?;
        let statement = pool
            .prepare("SELECT name FROM exam WHERE id = ?".into_sql_str())
            .await?;
        statement.query().bind(1).fetch_one(pool).await?;
        let name: Option<String> = statement
            .query_scalar()
            .bind(7)
            .fetch_optional(pool)
            .await?;
        assert_eq!(name, None);
        pool.fetch_all("SELECT 1").await?;
        Ok(())
    }
    let pool = pool().await;
    pool.execute("INSERT INTO exam (name) VALUES ('a'), ('b')")
        .await
        .unwrap();
    kinds(&pool).await.unwrap();
    check(
        "by_kind_of_query::kinds",
        &[
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 1, 0),
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 1, 0),
            (1, 1, 0, 0, 0, 0),
            (1, 1, 0, 0, 1, 0),
        ],
    );
    assert_eq!(pool.stats().control.prepares, 1);
}
