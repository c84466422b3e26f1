//! The ways in which a statement of a PostgreSQL transaction fails, and in which the transaction is used afterwards.

use futures::TryStreamExt as _;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::leash::testing::findings;
use sqlx::{AnyConnection, AnyPool, Connection, Executor, PgConnection, PgPool, track};

use super::{FAILS, MEMBER, check, members, none, on_postgres, only_failed};
use crate::common::{TestPool, marked};

type Result = sqlx::Result<()>;

/// Fails after its third row.
const FAILS_LATE: &str = "SELECT 1 / (3 - n) FROM generate_series(0, 9) AS n";

#[track]
async fn in_a_stream(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let mut rows = sqlx::query(FAILS_LATE).fetch(&mut *tx);
    while let Ok(Some(_)) = rows.try_next().await {}
    drop(rows);
    tx.commit().await // @stream
}

#[track]
async fn in_a_read(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let read = sqlx::query_scalar::<_, i32>(FAILS_LATE);
    assert!(read.fetch_all(&mut *tx).await.is_err());
    let read = sqlx::query_scalar::<_, i32>("SELECT 1 / 0");
    assert!(read.fetch_optional(&mut *tx).await.is_err()); // @read
    tx.commit().await
}

#[track]
async fn in_a_part_of_a_text(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let texts = "SELECT 1; UPDATE nowhere SET members = 1; SELECT 2";
    assert!(sqlx::raw_sql(texts).execute(&mut *tx).await.is_err());
    tx.commit().await // @part
}

#[track]
async fn in_prepare(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    assert!(tx.prepare(sqlx::SqlStr::from_static(FAILS)).await.is_err()); // @prepare
    tx.commit().await // @prepared
}

#[track]
async fn fails_on(conn: &mut PgConnection) {
    let _ = sqlx::query(FAILS).execute(conn).await;
}

#[track]
async fn on_a_lent_connection(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    fails_on(&mut tx).await;
    tx.commit().await // @lent
}

#[track]
async fn on_a_connection_without_a_pool(url: &str) -> Result {
    let mut conn = PgConnection::connect(url).await?;
    let mut tx = conn.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    tx.commit().await // @bare
}

#[track]
async fn by_a_savepoint(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    assert!(tx.begin().await.is_err()); // @savepoint
    tx.commit().await
}

/// sqlx's own type ends the COPY, so that its failure is not seen. The refusal of the next statement is.
#[track]
async fn in_a_copy(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let mut copy = tx.copy_in_raw("COPY number FROM STDIN").await?;
    copy.send("not a number\n".as_bytes()).await?;
    assert!(copy.finish().await.is_err());
    let _ = sqlx::query(MEMBER).execute(&mut *tx).await; // @refused
    tx.commit().await // @copy
}

#[track]
async fn at_the_begin_of_a_copy(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    assert!(tx.copy_in_raw("COPY nowhere FROM STDIN").await.is_err());
    tx.commit().await // @copy in
}

#[track]
async fn in_the_data_of_a_copy(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let copy = "COPY (SELECT 1 / (3 - n) FROM generate_series(0, 9) AS n) TO STDOUT";
    let mut data = tx.copy_out_raw(copy).await?;
    while let Ok(Some(_)) = data.try_next().await {}
    drop(data);
    tx.commit().await // @copy out
}

#[tokio::test]
async fn a_copy_that_is_seen() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (_, found) = findings(at_the_begin_of_a_copy(&pool)).await;
    let says = only_failed(found.clone()).render();
    assert!(says.contains("failed statement COPY nowhere"), "{says}");
    check(found, &marked("copy in", "commit"), "commits");
    let (_, found) = findings(in_the_data_of_a_copy(&pool)).await;
    check(found, &marked("copy out", "commit"), "commits");
}

#[tokio::test]
async fn each_is_reported_at_the_next_step() {
    let Some((db, pool)) = on_postgres().await else {
        return;
    };
    let commits = "commits a transaction of pool";
    let (_, found) = findings(in_a_stream(&pool)).await;
    check(found, &marked("stream", "commit"), commits);
    let (_, found) = findings(in_a_read(&pool)).await;
    check(found, &marked("read", "fetch_optional"), "sends `SELECT`");
    let (_, found) = findings(in_a_part_of_a_text(&pool)).await;
    check(found, &marked("part", "commit"), commits);
    let (_, found) = findings(on_a_lent_connection(&pool)).await;
    check(found, &marked("lent", "commit"), commits);
    let (_, found) = findings(by_a_savepoint(&pool)).await;
    check(found, &marked("savepoint", "begin"), "sets a savepoint in");
    let (_, found) = findings(on_a_connection_without_a_pool(db.url())).await;
    check(
        found,
        &marked("bare", "commit"),
        "commits a transaction that",
    );
}

#[tokio::test]
async fn a_text_that_cannot_be_prepared() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (_, found) = findings(in_prepare(&pool)).await;
    let says = only_failed(found.clone()).render();
    assert!(says.contains("failed statement UPDATE nowhere"), "{says}");
    check(found, &marked("prepared", "commit"), "commits");
}

#[tokio::test]
async fn the_failure_of_what_is_not_seen() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (_, found) = findings(in_a_copy(&pool)).await;
    let finding = only_failed(found.clone());
    let refused = crate::common::related(&finding, &marked("refused", "execute"));
    assert!(refused.label.contains("was refused"), "{}", refused.label);
    check(found, &marked("copy", "commit"), "commits");
}

#[track]
async fn through_any(pool: &AnyPool) -> Result {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    tx.commit().await // @any
}

#[track]
async fn through_any_without_a_pool(url: &str) -> Result {
    let mut conn = AnyConnection::connect(url).await?;
    let mut tx = conn.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    tx.commit().await // @bare any
}

#[tokio::test]
async fn any_shows_the_same() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    install_default_drivers();
    let pool = TestPool::of(AnyPoolOptions::new().connect(db.url()).await.unwrap());
    let (_, found) = findings(through_any(&pool)).await;
    check(found, &marked("any", "commit"), "commits");
    let (_, found) = findings(through_any_without_a_pool(db.url())).await;
    check(found, &marked("bare any", "commit"), "commits");
}

/// Fails twice, and heals the first failure.
#[track]
async fn fails_again(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let mut savepoint = tx.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *savepoint).await;
    let _ = sqlx::query(MEMBER).execute(&mut *savepoint).await; // @first time
    let _ = sqlx::query(MEMBER).execute(&mut *savepoint).await;
    savepoint.rollback().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    tx.commit().await // @second time
}

#[tokio::test]
async fn a_second_failure_is_another_one() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (_, mut found) = findings(fails_again(&pool)).await;
    let second = found.split_off(1);
    check(found, &marked("first time", "execute"), "sends");
    check(second, &marked("second time", "commit"), "commits");
}

/// The whole is tried again from its begin, on a new transaction each time.
#[track]
async fn tries_again(pool: &PgPool) -> Result {
    for attempt in 0..3 {
        let mut tx = pool.begin().await?;
        sqlx::query(MEMBER).execute(&mut *tx).await?;
        let text = if attempt < 2 { FAILS } else { MEMBER };
        if sqlx::query(text).execute(&mut *tx).await.is_ok() {
            return tx.commit().await;
        }
    }
    Ok(())
}

#[track]
async fn heals_on_a_lent_connection(pool: &PgPool) -> Result {
    #[track]
    async fn tries(conn: &mut PgConnection) -> Result {
        sqlx::query("SAVEPOINT tried").execute(&mut *conn).await?;
        if sqlx::query(FAILS).execute(&mut *conn).await.is_err() {
            let back = "ROLLBACK TO SAVEPOINT tried";
            sqlx::query(back).execute(&mut *conn).await?;
        }
        Ok(())
    }
    let mut tx = pool.begin().await?;
    tries(&mut tx).await?;
    sqlx::query(MEMBER).execute(&mut *tx).await?;
    tx.commit().await
}

/// The text rolls back before it does anything else.
#[track]
async fn begins_anew_in_one_text(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    let anew = "ROLLBACK; BEGIN; INSERT INTO member VALUES ('b')";
    sqlx::raw_sql(anew).execute(&mut *tx).await?;
    tx.commit().await
}

/// A deferred constraint fails at the COMMIT, which ends the transaction.
#[track]
async fn fails_at_its_commit(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let twice = "INSERT INTO number VALUES (7), (7)";
    sqlx::query(twice).execute(&mut *tx).await?;
    assert!(sqlx::query("COMMIT").execute(&mut *tx).await.is_err());
    sqlx::query(MEMBER).execute(&mut *tx).await?;
    Ok(())
}

/// The server ends the connection, so that nothing can be committed on it.
#[track]
async fn loses_its_connection(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let limit = "SET idle_in_transaction_session_timeout = 1";
    sqlx::query(limit).execute(&mut *tx).await?;
    let ends = "SELECT pg_terminate_backend(pg_backend_pid())";
    assert!(sqlx::query(ends).execute(&mut *tx).await.is_err());
    assert!(sqlx::query(MEMBER).execute(&mut *tx).await.is_err());
    Ok(())
}

#[tokio::test]
async fn near_misses() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    none(findings(tries_again(&pool)).await);
    none(findings(heals_on_a_lent_connection(&pool)).await);
    none(findings(begins_anew_in_one_text(&pool)).await);
    none(findings(fails_at_its_commit(&pool)).await);
    none(findings(loses_its_connection(&pool)).await);
    assert_eq!(members(&pool).await, 5, "everything was saved");
}
