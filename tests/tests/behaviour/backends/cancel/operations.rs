//! Every operation, cancelled after each of its polls.

use futures::{StreamExt, TryStreamExt};
use sqlx::{Acquire, Connection, Executor, SqlSafeStr, track};

use super::super::BY_ID;
use crate::common::HUNDRED;

use super::{INSERT, Operation, Pool, SELECT, at_every_poll};

given_up!(the_pool:
    "acquire" => |pool| { pool.acquire().await? }
    "acquire, by the trait" => |pool| { Acquire::acquire(pool).await? }
    "begin" => |pool| { pool.begin().await? }
    "begin, by the trait" => |pool| { Acquire::begin(pool).await? }
    "begin and commit" => |pool| { pool.begin().await?.commit().await? }
    "begin and rollback" => |pool| { pool.begin().await?.rollback().await? }
    "try_begin" => |pool| { pool.try_begin().await? }
    "begin_with" => |pool| { pool.begin_with("BEGIN").await? }
    "try_begin_with" => |pool| { pool.try_begin_with("BEGIN").await? }
    "close of a connection" => |pool| { pool.acquire().await?.close().await? }
);

given_up!(statements_on_the_pool:
    "execute" => |pool| { pool.execute(INSERT).await? }
    "execute_many" => |pool| { pool.execute_many(INSERT).try_collect::<Vec<_>>().await? }
    "fetch" => |pool| { pool.fetch(HUNDRED).try_collect::<Vec<_>>().await? }
    "fetch, one row of it" => |pool| { pool.fetch(HUNDRED).try_next().await? }
    "fetch_many" => |pool| { pool.fetch_many(HUNDRED).try_collect::<Vec<_>>().await? }
    "fetch_all" => |pool| { pool.fetch_all(HUNDRED).await? }
    "fetch_one" => |pool| { pool.fetch_one(HUNDRED).await? }
    "fetch_optional" => |pool| { pool.fetch_optional(SELECT).await? }
    "an error" => |pool| { pool.execute("SELECT * FROM nowhere").await.map(drop).unwrap_err() }
    "prepare" => |pool| { pool.prepare(SELECT.into_sql_str()).await? }
    "prepare_with" => |pool| { pool.prepare_with(SELECT.into_sql_str(), &[]).await? }
    "describe" => |pool| { pool.describe(SELECT.into_sql_str()).await? }
    "a query" => |pool| { sqlx::query(BY_ID).bind(1_i64).fetch_optional(pool).await? }
    "a stream of a query" => |pool| { sqlx::query(HUNDRED).fetch(pool).count().await }
    "several statements" => |pool| {
        sqlx::raw_sql("INSERT INTO exam (name) VALUES ('a'); SELECT * FROM exam").execute(pool).await?
    }
);

given_up!(statements_on_a_connection:
    "execute" => |pool| { pool.acquire().await?.execute(INSERT).await? }
    "execute_many" => |pool| {
        pool.acquire().await?.execute_many(INSERT).try_collect::<Vec<_>>().await?
    }
    "fetch" => |pool| { pool.acquire().await?.fetch(HUNDRED).try_collect::<Vec<_>>().await? }
    "fetch, one row of it" => |pool| { pool.acquire().await?.fetch(HUNDRED).try_next().await? }
    "fetch_many" => |pool| {
        pool.acquire().await?.fetch_many(HUNDRED).try_collect::<Vec<_>>().await?
    }
    "fetch_all" => |pool| { pool.acquire().await?.fetch_all(HUNDRED).await? }
    "fetch_one" => |pool| { pool.acquire().await?.fetch_one(HUNDRED).await? }
    "fetch_optional" => |pool| { pool.acquire().await?.fetch_optional(SELECT).await? }
    "prepare" => |pool| { pool.acquire().await?.prepare(SELECT.into_sql_str()).await? }
    "prepare_with" => |pool| { pool.acquire().await?.prepare_with(SELECT.into_sql_str(), &[]).await? }
    "describe" => |pool| { pool.acquire().await?.describe(SELECT.into_sql_str()).await? }
    "a query" => |pool| {
        let mut connection = pool.acquire().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_optional(&mut *connection).await?
    }
    "two queries" => |pool| {
        let mut connection = pool.acquire().await?;
        sqlx::query(HUNDRED).fetch(&mut *connection).try_next().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_all(&mut *connection).await?
    }
);

given_up!(statements_in_a_transaction:
    "execute" => |pool| { pool.begin().await?.execute(INSERT).await? }
    "execute_many" => |pool| {
        pool.begin().await?.execute_many(INSERT).try_collect::<Vec<_>>().await?
    }
    "fetch" => |pool| { pool.begin().await?.fetch(HUNDRED).try_collect::<Vec<_>>().await? }
    "fetch, one row of it" => |pool| { pool.begin().await?.fetch(HUNDRED).try_next().await? }
    "fetch_many" => |pool| {
        pool.begin().await?.fetch_many(HUNDRED).try_collect::<Vec<_>>().await?
    }
    "fetch_all" => |pool| { pool.begin().await?.fetch_all(HUNDRED).await? }
    "fetch_one" => |pool| { pool.begin().await?.fetch_one(HUNDRED).await? }
    "fetch_optional" => |pool| { pool.begin().await?.fetch_optional(SELECT).await? }
    "prepare" => |pool| { pool.begin().await?.prepare(SELECT.into_sql_str()).await? }
    "prepare_with" => |pool| { pool.begin().await?.prepare_with(SELECT.into_sql_str(), &[]).await? }
    "describe" => |pool| { pool.begin().await?.describe(SELECT.into_sql_str()).await? }
    "a query" => |pool| {
        let mut tx = pool.begin().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
    }
    "an error" => |pool| {
        let mut tx = pool.begin().await?;
        tx.execute("SELECT * FROM nowhere").await.map(drop).unwrap_err();
        tx.rollback().await?;
    }
);

given_up!(a_connection:
    "begin" => |pool| {
        let mut connection = pool.acquire().await?;
        drop(connection.begin().await?);
    }
    "begin and commit" => |pool| { pool.acquire().await?.begin().await?.commit().await? }
    "begin and rollback" => |pool| { pool.acquire().await?.begin().await?.rollback().await? }
    "begin_with" => |pool| {
        let mut connection = pool.acquire().await?;
        drop(connection.begin_with("BEGIN").await?);
    }
    "begin, by the trait" => |pool| {
        let mut connection = pool.acquire().await?;
        Acquire::begin(&mut connection).await?.commit().await?;
    }
    "transaction" => |pool| {
        pool.acquire()
            .await?
            .transaction(|tx| Box::pin(async move { tx.execute(INSERT).await.map(drop) }))
            .await?;
    }
    "transaction that fails" => |pool| {
        pool.acquire()
            .await?
            .transaction(|tx| {
                Box::pin(async move { tx.execute("SELECT * FROM nowhere").await.map(drop) })
            })
            .await
            .unwrap_err()
    }
    "ping" => |pool| { pool.acquire().await?.ping().await? }
    "clear_cached_statements" => |pool| {
        let mut connection = pool.acquire().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_optional(&mut *connection).await?;
        connection.clear_cached_statements().await?;
    }
    "detach and close" => |pool| { Connection::close(pool.acquire().await?.detach()).await? }
);

given_up!(savepoints:
    "one" => |pool| {
        let mut tx = pool.begin().await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute(INSERT).await?;
        savepoint.commit().await?;
        tx.commit().await?;
    }
    "one taken back" => |pool| {
        let mut tx = pool.begin().await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute(INSERT).await?;
        savepoint.rollback().await?;
        tx.commit().await?;
    }
    "two" => |pool| {
        let mut tx = pool.begin().await?;
        let mut outer = tx.begin().await?;
        let mut inner = outer.begin().await?;
        inner.execute(INSERT).await?;
        drop(inner);
        outer.commit().await?;
        tx.rollback().await?;
    }
    "by the trait" => |pool| {
        let mut tx = pool.begin().await?;
        Acquire::begin(&mut tx).await?.rollback().await?;
        tx.commit().await?;
    }
);
