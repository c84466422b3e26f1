//! The code in the help of findings compiles as it stands there, with the imports that the help names.

#![deny(warnings)]

mod takes_the_connection {
    use sqlx::{Postgres, leash};
    use sqlx::{SqlitePool, track};

    #[track]
    async fn on_postgres(conn: &mut leash::Conn<'_, Postgres>) -> sqlx::Result<i32> {
        sqlx::query_scalar("SELECT 1").fetch_one(conn).await
    }

    mod on_sqlite {
        use sqlx::{Sqlite, leash};

        #[sqlx::track]
        pub(super) async fn twice(conn: &mut leash::Conn<'_, Sqlite>) -> sqlx::Result<i32> {
            let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *conn).await?;
            let two: i32 = sqlx::query_scalar("SELECT 2").fetch_one(conn).await?;
            Ok(one + two)
        }
    }

    #[track]
    async fn passes(pool: &SqlitePool) -> sqlx::Result<i32> {
        let mut tx = pool.begin().await?;
        let three = on_sqlite::twice(&mut tx).await?;
        tx.commit().await?;
        let mut conn = pool.acquire().await?;
        let more = on_sqlite::twice(&mut conn).await?;
        drop(conn);
        Ok(three + more)
    }

    #[track]
    async fn passes_on_postgres(pool: &sqlx::PgPool) -> sqlx::Result<i32> {
        let mut tx = pool.begin().await?;
        let one = on_postgres(&mut tx).await?;
        tx.commit().await?;
        Ok(one)
    }

    #[tokio::test]
    async fn and_runs() {
        let pool = leash_tests::in_memory().await;
        assert_eq!(passes(&pool).await.unwrap(), 6);
    }
}

mod lives_long {
    use sqlx::leash::HandleExt;

    #[sqlx::track]
    async fn keeps(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
        let conn = pool.acquire().await?.long_lived("…");
        let tx = pool.begin().await?.long_lived("…");
        drop((conn, tx));
        Ok(())
    }
}

mod reads_all {
    use futures::TryStreamExt;

    #[sqlx::track]
    async fn rows(pool: &sqlx::SqlitePool) -> sqlx::Result<usize> {
        let stream = sqlx::query("SELECT 1").fetch(pool);
        let rows: Vec<_> = stream.try_collect().await?;
        let more = sqlx::query("SELECT 1")
            .fetch(pool)
            .try_collect::<Vec<_>>()
            .await?;
        let stream = sqlx::query("SELECT 1").fetch(pool);
        drop(stream);
        Ok(rows.len() + more.len())
    }
}

mod connects_without_a_pool {
    use sqlx::postgres::PgListener;
    use sqlx::{AnyConnection, Connection, PgConnection};

    async fn connects(url: &str) -> sqlx::Result<()> {
        AnyConnection::connect(url).await?;
        PgConnection::connect(url).await?;
        PgListener::connect(url).await?;
        Ok(())
    }
}

mod sets {
    #[sqlx::track(held_idle = "60s")]
    async fn raises_the_limit() {}

    #[sqlx::track(allow(nested_acquire, reason = "…"))]
    async fn allows() {}

    #[sqlx::track(returns_handle)]
    async fn returns() {}
}
