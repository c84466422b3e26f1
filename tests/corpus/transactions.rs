//! Transactions and savepoints.

use std::borrow::BorrowMut;
use std::ops::DerefMut;

use futures::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Executor, Sqlite, SqliteConnection, SqlitePool, SqliteTransaction, Transaction};

use super::clinic;

async fn insert(conn: &mut SqliteConnection, name: &str) -> sqlx::Result<u64> {
    let done = sqlx::query("INSERT INTO patient (name) VALUES (?)")
        .bind(name)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

async fn insert_in(tx: &mut Transaction<'_, Sqlite>, name: &str) -> sqlx::Result<i64> {
    let done = sqlx::query("INSERT INTO patient (name) VALUES ($1)")
        .bind(name)
        .execute(&mut **tx)
        .await?;
    insert(tx, "by deref").await?;
    Ok(done.last_insert_rowid())
}

async fn insert_by_alias(tx: &mut SqliteTransaction<'_>) -> sqlx::Result<()> {
    tx.execute("INSERT INTO patient (name) VALUES ('alias')")
        .await?;
    Ok(())
}

async fn insert_and_commit(mut tx: Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
    insert(&mut tx, "by value").await?;
    tx.commit().await
}

async fn insert_and_give_back<'c>(
    mut tx: Transaction<'c, Sqlite>,
) -> sqlx::Result<Transaction<'c, Sqlite>> {
    insert_in(&mut tx, "given back").await?;
    Ok(tx)
}

#[tokio::test]
async fn all_the_ways_to_hand_a_transaction_on() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut tx = pool.begin().await?;
    assert_eq!(insert(&mut tx, "&mut tx").await?, 1);
    assert_eq!(insert(&mut *tx, "&mut *tx").await?, 1);
    assert_eq!(insert(tx.as_mut(), "as_mut").await?, 1);
    assert_eq!(insert(tx.deref_mut(), "deref_mut").await?, 1);
    assert_eq!(insert(tx.borrow_mut(), "borrow_mut").await?, 1);
    assert!(insert_in(&mut tx, "insert_in").await? > 3);
    insert_by_alias(&mut tx).await?;
    let mut tx = insert_and_give_back(tx).await?;
    sqlx::query("INSERT INTO patient (name) VALUES ('direct')")
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO patient (name) VALUES ('as_mut')")
        .execute(tx.as_mut())
        .await?;
    tx.execute("INSERT INTO patient (name) VALUES ('method')")
        .await?;
    (&mut *tx)
        .execute(sqlx::query(
            "INSERT INTO patient (name) VALUES ('reborrow')",
        ))
        .await?;
    tx.commit().await?;
    assert_eq!(clinic::patients(&pool).await, 3 + 5 + 2 + 1 + 2 + 4);

    insert_and_commit(pool.begin().await?).await?;
    assert_eq!(clinic::patients(&pool).await, 18);
    Ok(())
}

#[tokio::test]
async fn rollback_and_drop_undo() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut tx = pool.begin().await?;
    insert(&mut tx, "rolled back").await?;
    tx.rollback().await?;
    assert_eq!(clinic::patients(&pool).await, 3);

    {
        let mut tx = pool.begin().await?;
        insert(&mut tx, "dropped").await?;
    }
    assert_eq!(clinic::patients(&pool).await, 3);

    let failed: sqlx::Result<()> = async {
        let mut tx = pool.begin().await?;
        insert(&mut tx, "failed").await?;
        tx.execute("INSERT INTO nowhere VALUES (1)").await?;
        tx.commit().await
    }
    .await;
    assert!(failed.unwrap_err().as_database_error().is_some());
    assert_eq!(clinic::patients(&pool).await, 3);
    Ok(())
}

mod with_acquire {
    use sqlx::{Acquire, Sqlite, SqliteConnection, Transaction};

    use super::{clinic, insert};

    #[tokio::test]
    async fn savepoints() -> sqlx::Result<()> {
        let pool = clinic::in_memory().await;
        let mut tx = pool.begin().await?;
        insert(&mut tx, "kept").await?;
        {
            let mut inner = tx.begin().await?;
            insert(&mut inner, "lost").await?;
            let mut innermost = inner.begin().await?;
            insert(&mut innermost, "lost too").await?;
            innermost.commit().await?;
            inner.rollback().await?;
        }
        let mut inner: Transaction<'_, Sqlite> = (&mut tx).begin().await?;
        insert(&mut inner, "kept too").await?;
        inner.commit().await?;
        tx.commit().await?;
        assert_eq!(clinic::patients(&pool).await, 5);
        Ok(())
    }

    #[tokio::test]
    async fn on_connections() -> sqlx::Result<()> {
        let pool = clinic::in_memory().await;
        let mut conn = pool.acquire().await?;
        let mut tx = conn.begin().await?;
        insert(&mut tx, "pooled").await?;
        tx.commit().await?;

        async fn nested(conn: &mut SqliteConnection) -> sqlx::Result<()> {
            let mut tx = conn.begin().await?;
            insert(&mut tx, "borrowed").await?;
            tx.commit().await
        }
        nested(&mut conn).await?;
        nested(&mut *conn).await?;
        nested(&mut *conn.acquire().await?).await?;
        drop(conn);
        assert_eq!(clinic::patients(&pool).await, 7);
        Ok(())
    }

    #[tokio::test]
    async fn dropped_savepoints_undo() -> sqlx::Result<()> {
        let pool = clinic::in_memory().await;
        let mut tx = pool.begin().await?;
        for number in 0..4 {
            let mut savepoint = tx.begin().await?;
            insert(&mut savepoint, "maybe").await?;
            if number % 2 == 0 {
                savepoint.commit().await?;
            }
        }
        tx.commit().await?;
        assert_eq!(clinic::patients(&pool).await, 5);
        Ok(())
    }
}

mod with_connection {
    use sqlx::{Connection, Executor, SqliteConnection};

    use super::{clinic, insert};

    #[tokio::test]
    async fn savepoints() -> sqlx::Result<()> {
        let pool = clinic::in_memory().await;
        let mut tx = pool.begin().await?;
        assert!(tx.is_in_transaction());
        let mut inner = tx.begin().await?;
        insert(&mut inner, "lost").await?;
        inner.rollback().await?;
        tx.commit().await?;

        let mut conn = pool.acquire().await?;
        let mut tx = conn.begin().await?;
        insert(&mut tx, "kept").await?;
        tx.commit().await?;
        assert!(!conn.is_in_transaction());
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        insert(&mut tx, "immediately").await?;
        tx.commit().await?;
        drop(conn);
        assert_eq!(clinic::patients(&pool).await, 5);
        Ok(())
    }

    #[tokio::test]
    async fn without_a_pool() -> sqlx::Result<()> {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await?;
        conn.execute(clinic::SCHEMA).await?;
        let mut tx = conn.begin().await?;
        insert(&mut tx, "unpooled").await?;
        tx.commit().await?;
        let patients: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM patient")
            .fetch_one(&mut conn)
            .await?;
        assert_eq!(patients, 4);
        let mut tx = conn.begin_with("BEGIN EXCLUSIVE").await?;
        insert(&mut tx, "undone").await?;
        drop(tx);
        let patients: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM patient")
            .fetch_one(&mut conn)
            .await?;
        assert_eq!(patients, 4);
        conn.close().await
    }

    #[tokio::test]
    async fn in_a_closure() -> sqlx::Result<()> {
        let pool = clinic::in_memory().await;
        let mut conn = pool.acquire().await?;
        let id = conn
            .transaction(|tx| {
                Box::pin(async move {
                    let done = sqlx::query("INSERT INTO patient (name) VALUES ('closure')")
                        .execute(&mut **tx)
                        .await?;
                    Ok::<_, sqlx::Error>(done.last_insert_rowid())
                })
            })
            .await?;
        assert_eq!(id, 4);

        let refused: Result<(), anyhow::Error> = conn
            .transaction(|tx| {
                Box::pin(async move {
                    insert(tx, "refused").await?;
                    anyhow::bail!("no")
                })
            })
            .await;
        assert_eq!(refused.unwrap_err().to_string(), "no");

        let mut tx = conn.begin().await?;
        tx.transaction(|tx| Box::pin(async move { insert(tx, "in a savepoint").await }))
            .await?;
        tx.commit().await?;
        drop(conn);
        assert_eq!(clinic::patients(&pool).await, 5);
        Ok(())
    }
}

#[tokio::test]
async fn in_an_option() -> sqlx::Result<()> {
    struct Batch {
        tx: Option<Transaction<'static, Sqlite>>,
    }

    impl Batch {
        async fn insert(&mut self, pool: &SqlitePool, name: &str) -> sqlx::Result<()> {
            let tx = match &mut self.tx {
                Some(tx) => tx,
                none => none.insert(pool.begin().await?),
            };
            insert(tx, name).await?;
            Ok(())
        }

        async fn finish(&mut self) -> sqlx::Result<bool> {
            match self.tx.take() {
                Some(tx) => tx.commit().await.map(|()| true),
                None => Ok(false),
            }
        }
    }

    let pool = clinic::in_memory().await;
    let mut batch = Batch { tx: None };
    assert!(!batch.finish().await?);
    batch.insert(&pool, "one").await?;
    batch.insert(&pool, "two").await?;
    assert!(batch.finish().await?);
    assert_eq!(clinic::patients(&pool).await, 5);
    Ok(())
}

#[tokio::test]
async fn a_connection_or_a_transaction() -> sqlx::Result<()> {
    enum Handle<'c> {
        Plain(PoolConnection<Sqlite>),
        Open(Transaction<'c, Sqlite>),
        Borrowed(&'c mut SqliteConnection),
    }

    impl Handle<'_> {
        fn conn(&mut self) -> &mut SqliteConnection {
            match self {
                Handle::Plain(conn) => conn,
                Handle::Open(tx) => tx,
                Handle::Borrowed(conn) => conn,
            }
        }
    }

    let pool = clinic::in_memory().await;
    insert(Handle::Plain(pool.acquire().await?).conn(), "plain").await?;
    let mut handle = Handle::Open(pool.begin().await?);
    insert(handle.conn(), "open").await?;
    if let Handle::Open(tx) = handle {
        tx.commit().await?;
    }
    let mut conn = pool.acquire().await?;
    insert(Handle::Borrowed(&mut conn).conn(), "borrowed").await?;
    drop(conn);
    assert_eq!(clinic::patients(&pool).await, 6);
    Ok(())
}

/// The helper of many code bases: runs a closure in a transaction.
async fn with_transaction<T, F>(pool: &SqlitePool, work: F) -> sqlx::Result<T>
where
    F: for<'c> FnOnce(&'c mut Transaction<'static, Sqlite>) -> BoxFuture<'c, sqlx::Result<T>>,
{
    let mut tx = pool.begin().await?;
    let result = work(&mut tx).await?;
    tx.commit().await?;
    Ok(result)
}

async fn with_async_closure<T>(
    pool: &SqlitePool,
    work: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let mut tx = pool.begin().await?;
    let result = work(&mut tx).await?;
    tx.commit().await?;
    Ok(result)
}

#[tokio::test]
async fn helpers_that_take_a_closure() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let id = with_transaction(&pool, |tx| Box::pin(insert_in(tx, "boxed"))).await?;
    assert_eq!(id, 4);
    let name = String::from("async closure");
    let rows = with_async_closure(&pool, async |conn| insert(conn, &name).await).await?;
    assert_eq!(rows, 1);
    assert_eq!(clinic::patients(&pool).await, 6);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_moves_into_a_task() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut tx = pool.begin().await?;
    let task = tokio::spawn(async move {
        insert(&mut tx, "elsewhere").await?;
        tx.commit().await
    });
    task.await.unwrap()?;
    assert_eq!(clinic::patients(&pool).await, 4);
    assert_eq!(
        format!("{:?}", pool.begin().await?).split(' ').next(),
        Some("Transaction")
    );
    Ok(())
}
