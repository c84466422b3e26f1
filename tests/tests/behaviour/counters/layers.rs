//! A statement counts once, however many layers it passes through.

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::leash::{self};
use sqlx::sqlite::SqliteConnection;
use sqlx::{
    Connection, Database, Describe, Either, Execute, Executor, SqlStr, Sqlite, SqliteExecutor,
    SqlitePool, track,
};

use crate::common::{HUNDRED, pool_of};

use super::{INSERT, check};

/// A user-defined executor around a pool.
#[derive(Debug)]
struct Wrapper<'p>(&'p SqlitePool);

impl<'c> Executor<'c> for &'c Wrapper<'_> {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<
        'e,
        sqlx::Result<Either<<Sqlite as Database>::QueryResult, <Sqlite as Database>::Row>>,
    >
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        self.0.fetch_many(query)
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, sqlx::Result<Option<<Sqlite as Database>::Row>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let pool = self.0;
        let (sql, arguments) = {
            let mut query = query;
            let arguments = query.take_arguments();
            (query.sql(), arguments)
        };
        Box::pin(async move {
            let arguments = arguments.map_err(sqlx::Error::Encode)?.unwrap_or_default();
            let mut connection = pool.acquire().await?;
            sqlx::query_with(sql, arguments)
                .fetch_optional(&mut *connection)
                .await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<Sqlite as Database>::TypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<<Sqlite as Database>::Statement>>
    where
        'c: 'e,
    {
        self.0.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Sqlite>>>
    where
        'c: 'e,
    {
        self.0.describe(sql)
    }
}

#[tokio::test]
async fn once_however_many_layers_see_it() {
    #[track]
    async fn generic<'e>(executor: impl SqliteExecutor<'e>) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(executor).await?;
        Ok(())
    }
    #[track]
    async fn generic_many<'e, E: Executor<'e, Database = Sqlite>>(executor: E) -> usize {
        sqlx::query(HUNDRED).fetch(executor).count().await
    }
    #[track]
    async fn generic_one<'e, E: Executor<'e, Database = Sqlite>>(executor: E) -> sqlx::Result<i64> {
        sqlx::query_scalar(HUNDRED).fetch_one(executor).await
    }
    #[track]
    async fn plain(connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut *connection).await?;
        sqlx::query(HUNDRED).fetch_all(&mut *connection).await?;
        sqlx::query(HUNDRED).fetch_optional(connection).await?;
        Ok(())
    }
    let pool = pool_of(2).await;
    let wrapper = Wrapper(&pool);
    let mut plain_connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    plain_connection
        .execute("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT)")
        .await
        .unwrap();
    let all = async {
        let mut tx = pool.begin().await.unwrap();
        generic(&mut *tx).await.unwrap();
        generic_one(&mut *tx).await.unwrap();
        generic_many(&mut *tx).await;
        plain(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        generic(&mut *connection).await.unwrap();
        generic_one(&mut *connection).await.unwrap();
        generic_many(&mut *connection).await;
        plain(&mut connection).await.unwrap();
        drop(connection);
        generic(&*pool).await.unwrap();
        generic_one(&*pool).await.unwrap();
        generic_many(&*pool).await;
        generic(&mut plain_connection).await.unwrap();
        generic_one(&mut plain_connection).await.unwrap();
        generic_many(&mut plain_connection).await;
        plain(&mut plain_connection).await.unwrap();
        generic(&wrapper).await.unwrap();
        generic_one(&wrapper).await.unwrap();
        generic_many(&wrapper).await;
    };
    let ((), counted) = leash::testing::counting(all).await;
    check(
        "once_however_many_layers_see_it::generic",
        &[(5, 5, 0, 0, 0, 5)],
    );
    check(
        "once_however_many_layers_see_it::generic_one",
        &[(5, 5, 0, 0, 5, 0)],
    );
    check(
        "once_however_many_layers_see_it::generic_many",
        &[(5, 5, 0, 0, 500, 0)],
    );
    check(
        "once_however_many_layers_see_it::plain",
        &[(3, 3, 0, 0, 0, 3), (3, 3, 0, 0, 300, 0), (3, 3, 0, 0, 3, 0)],
    );
    assert_eq!(counted, 15 + 9);
}
