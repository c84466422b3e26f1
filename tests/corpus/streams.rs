//! Row streams.

use std::pin::Pin;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt, pin_mut};
use sqlx::sqlite::SqliteRow;
use sqlx::{Either, Executor, Row, SqliteConnection, SqliteExecutor, SqlitePool};

use super::clinic::{self, Patient};

#[tokio::test]
async fn read_to_the_end() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut rows = sqlx::query("SELECT id, name FROM patient ORDER BY id").fetch(&pool);
    let mut names = Vec::new();
    while let Some(row) = rows.try_next().await? {
        names.push(row.try_get::<String, _>("name")?);
    }
    drop(rows);
    assert_eq!(names, ["Ada", "Grace", "Barbara"]);

    let mut patients =
        sqlx::query_as::<_, Patient>("SELECT id, name, age FROM patient").fetch(&pool);
    let mut ages = 0;
    while let Some(patient) = patients.next().await {
        ages += patient?.age.unwrap_or(0);
    }
    assert_eq!(ages, 121);
    Ok(())
}

#[tokio::test]
async fn dropped_half_way() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    for _ in 0..3 {
        let mut rows = sqlx::query("SELECT id FROM patient").fetch(&pool);
        assert!(rows.try_next().await?.is_some());
    }
    let mut conn = pool.acquire().await?;
    {
        let mut rows = sqlx::query("SELECT id FROM patient").fetch(&mut *conn);
        rows.next().await.unwrap()?;
    }
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(&mut *conn)
        .await?;
    assert_eq!(count, 3);
    Ok(())
}

#[tokio::test]
async fn never_polled() {
    let pool = clinic::in_memory().await;
    let held = pool.acquire().await.unwrap();
    let rows = sqlx::query("DELETE FROM patient").fetch(&pool);
    drop(rows);
    drop(held);
    assert_eq!(clinic::patients(&pool).await, 3);
}

#[tokio::test]
async fn in_a_transaction() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut tx = pool.begin().await?;
    {
        let mut rows = sqlx::query_as::<_, (i64,)>("SELECT id FROM patient").fetch(&mut *tx);
        while let Some((id,)) = rows.try_next().await? {
            assert!(id < 4);
        }
    }
    let ids: Vec<i64> = sqlx::query_scalar::<_, i64>("SELECT id FROM patient ORDER BY id")
        .fetch(&mut *tx)
        .try_collect()
        .await?;
    assert_eq!(ids, [1, 2, 3]);
    sqlx::query("DELETE FROM exam").execute(&mut *tx).await?;
    tx.commit().await
}

#[tokio::test]
async fn combinators() -> sqlx::Result<()> {
    let pool = clinic::open(4).await;
    let names: Vec<String> = sqlx::query_as::<_, Patient>("SELECT id, name, age FROM patient")
        .fetch(&pool)
        .try_filter(|patient| std::future::ready(patient.age.is_some()))
        .map_ok(|patient| patient.name)
        .try_collect()
        .await?;
    assert_eq!(names, ["Ada", "Grace"]);

    sqlx::query_scalar::<_, i64>("SELECT id FROM patient")
        .fetch(&pool)
        .try_for_each_concurrent(2, |id| {
            let pool = pool.clone();
            async move {
                sqlx::query("INSERT INTO exam (patient_id, pressure) VALUES (?, 1.0)")
                    .bind(id)
                    .execute(&pool)
                    .await?;
                Ok(())
            }
        })
        .await?;
    let exams: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM exam")
        .fetch_one(&pool)
        .await?;
    assert_eq!(exams, 6);

    let chunks: Vec<Vec<sqlx::Result<SqliteRow>>> = sqlx::query("SELECT id FROM exam")
        .fetch(&pool)
        .chunks(4)
        .collect()
        .await;
    assert_eq!(chunks.len(), 2);

    let counts: Vec<i64> = stream::iter(1..=3)
        .map(|id| {
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM exam WHERE patient_id = ?")
                .bind(id)
                .fetch_one(&pool)
        })
        .buffered(2)
        .try_collect()
        .await?;
    assert_eq!(counts, [3, 2, 1]);
    Ok(())
}

fn boxed(pool: &SqlitePool) -> BoxStream<'_, sqlx::Result<Patient>> {
    sqlx::query_as("SELECT id, name, age FROM patient ORDER BY id").fetch(pool)
}

fn opaque<'a>(
    executor: impl SqliteExecutor<'a> + 'a,
) -> impl Stream<Item = sqlx::Result<i64>> + Send + 'a {
    sqlx::query("SELECT id FROM patient ORDER BY id")
        .try_map(|row: SqliteRow| row.try_get(0))
        .fetch(executor)
}

fn from_connection(
    conn: &mut SqliteConnection,
) -> Pin<Box<dyn Stream<Item = sqlx::Result<SqliteRow>> + Send + '_>> {
    conn.fetch("SELECT id FROM patient")
}

#[tokio::test]
async fn handed_on() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let first = boxed(&pool).try_next().await?.unwrap();
    assert_eq!(first.name, "Ada");
    assert_eq!(opaque(&pool).try_collect::<Vec<_>>().await?, [1, 2, 3]);
    let mut conn = pool.acquire().await?;
    {
        let rows = opaque(&mut *conn);
        pin_mut!(rows);
        assert_eq!(rows.try_next().await?, Some(1));
        assert_eq!(rows.try_next().await?, Some(2));
    }
    assert_eq!(from_connection(&mut conn).count().await, 3);
    Ok(())
}

/// A pool is cloned into the futures and streams that it starts: they do not borrow it.
fn unborrowed(pool: &SqlitePool) -> BoxStream<'static, sqlx::Result<SqliteRow>> {
    sqlx::query("SELECT id, name, age FROM patient ORDER BY id").fetch(pool)
}

#[tokio::test]
async fn streams_of_a_pool_do_not_borrow_it() -> sqlx::Result<()> {
    let patients = {
        let pool = clinic::in_memory().await;
        unborrowed(&pool)
    };
    let task = tokio::spawn(patients.try_collect::<Vec<_>>());
    assert_eq!(task.await.unwrap()?.len(), 3);

    let answer = {
        let pool = clinic::in_memory().await;
        (&pool).fetch_one("SELECT 42")
    };
    assert_eq!(tokio::spawn(answer).await.unwrap()?.get::<i64, _>(0), 42);
    Ok(())
}

#[tokio::test]
async fn stored() -> sqlx::Result<()> {
    struct Cursor<'a> {
        rows: BoxStream<'a, sqlx::Result<Patient>>,
        read: usize,
    }

    impl Cursor<'_> {
        async fn page(&mut self, size: usize) -> sqlx::Result<Vec<Patient>> {
            let page: Vec<Patient> = (&mut self.rows).take(size).try_collect().await?;
            self.read += page.len();
            Ok(page)
        }
    }

    let pool = clinic::in_memory().await;
    let mut cursor = Cursor {
        rows: boxed(&pool),
        read: 0,
    };
    assert_eq!(cursor.page(2).await?.len(), 2);
    assert_eq!(cursor.page(2).await?[0].name, "Barbara");
    assert!(cursor.page(2).await?.is_empty());
    assert_eq!(cursor.read, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_in_a_task() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let reader = tokio::spawn({
        let pool = pool.clone();
        async move {
            let mut rows = sqlx::query("SELECT name FROM patient ORDER BY id").fetch(&pool);
            while let Some(row) = rows.try_next().await? {
                sender.send(row.get::<String, _>(0)).await.unwrap();
            }
            Ok::<_, sqlx::Error>(())
        }
    });
    let mut names = Vec::new();
    while let Some(name) = receiver.recv().await {
        names.push(name);
    }
    reader.await.unwrap()?;
    assert_eq!(names, ["Ada", "Grace", "Barbara"]);
    Ok(())
}

#[tokio::test]
async fn several_statements() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut steps = sqlx::raw_sql(
        "INSERT INTO patient (name) VALUES ('a'), ('b');
         SELECT id FROM patient;
         DELETE FROM exam;",
    )
    .fetch_many(&pool);
    let (mut affected, mut rows) = (Vec::new(), 0);
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(done) => affected.push(done.rows_affected()),
            Either::Right(_) => rows += 1,
        }
    }
    assert_eq!((affected[0], affected.last(), rows), (2, Some(&3), 5));
    Ok(())
}

#[tokio::test]
async fn an_error_in_the_stream() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut rows = sqlx::query("SELECT * FROM nowhere").fetch(&pool);
    assert!(rows.next().await.unwrap().is_err());
    drop(rows);

    let mut decoded = sqlx::query_as::<_, (i64,)>("SELECT name FROM patient").fetch(&pool);
    let error = decoded.try_next().await.unwrap_err();
    assert!(
        matches!(error, sqlx::Error::ColumnDecode { .. }),
        "{error:?}"
    );
    drop(decoded);

    let found = sqlx::query("SELECT 1")
        .fetch_one(&pool)
        .and_then(|row| std::future::ready(row.try_get::<i64, _>(0)))
        .await?;
    assert_eq!(found, 1);
    Ok(())
}
