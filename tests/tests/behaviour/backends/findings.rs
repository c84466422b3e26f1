//! The same faults are reported on every backend, and the same near misses are not.

use std::sync::Mutex;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::leash::testing::findings;
use sqlx::leash::{self, Certainty, HandleExt, Lint, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::{Acquire, Database, Executor, Transaction, track};

use super::{BY_ID, Db, pool_of};
use crate::common::{HUNDRED, Place, TestPool, leaks, marked, poll_at_most, returned, silent};

type Pool = sqlx::Pool<Db>;
type Tx = Transaction<'static, Db>;
type Rows = BoxStream<'static, sqlx::Result<<Db as Database>::Row>>;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

#[tokio::test]
async fn a_transaction_kept() {
    #[track]
    async fn begins(pool: &Pool, kept: &Mutex<Vec<Tx>>) {
        let mut tx = pool.begin().await.unwrap(); // @begin
        tx.execute(INSERT).await.unwrap();
        kept.lock().unwrap().push(tx);
    }
    #[track]
    async fn begins_its_way(pool: &Pool, kept: &Mutex<Vec<Tx>>) {
        let tx = Acquire::begin(pool).await.unwrap(); // @trait
        kept.lock().unwrap().push(tx);
    }
    #[track]
    async fn begins_if_idle(pool: &Pool, kept: &Mutex<Vec<Tx>>) {
        let tx = pool.try_begin().await.unwrap(); // @try
        kept.lock().unwrap().extend(tx);
    }
    let Some(pool) = pool_of(1).await else { return };
    let kept: Mutex<Vec<Tx>> = Mutex::default();
    let put_back = async || {
        kept.lock().unwrap().clear();
        pool.assert_empty();
        pool.has_idle(1).await;
    };
    let name = here!("a_transaction_kept::begins");
    let ((), finding) = leaks("begin", "begin", &name, begins(&pool, &kept)).await;
    assert!(finding.title.contains("a transaction"), "{finding}");
    assert_eq!(finding.pool.as_deref(), Some(pool.name()));
    put_back().await;
    let name = here!("a_transaction_kept::begins_its_way");
    leaks("trait", "begin", &name, begins_its_way(&pool, &kept)).await;
    put_back().await;
    let name = here!("a_transaction_kept::begins_if_idle");
    leaks("try", "try_begin", &name, begins_if_idle(&pool, &kept)).await;
    put_back().await;
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn a_connection_kept_or_forgotten() {
    #[track]
    async fn acquires(pool: &Pool, kept: &Mutex<Vec<PoolConnection<Db>>>) {
        let connection = pool.acquire().await.unwrap(); // @acquire
        kept.lock().unwrap().push(connection);
    }
    #[track]
    #[expect(clippy::mem_forget, reason = "the test is about forgetting")]
    async fn forgets(pool: &Pool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?; // @forget
        sqlx::query(BY_ID)
            .bind(1_i64)
            .fetch_optional(&mut *connection)
            .await?;
        std::mem::forget(connection);
        Ok(())
    }
    let Some(pool) = pool_of(2).await else { return };
    let kept = Mutex::default();
    let name = here!("a_connection_kept_or_forgotten::acquires");
    leaks("acquire", "acquire", &name, acquires(&pool, &kept)).await;
    kept.lock().unwrap().clear();
    pool.assert_serves_all().await;
    let name = here!("a_connection_kept_or_forgotten::forgets");
    let (result, _) = leaks("forget", "acquire", &name, forgets(&pool)).await;
    result.unwrap();
    assert_eq!(pool.handles().len(), 1, "the handle is never released");
}

#[tokio::test]
async fn a_stream_kept_half_read() {
    #[track]
    async fn reads_half(pool: &Pool, kept: &Mutex<Option<Rows>>) -> sqlx::Result<()> {
        let pool = pool.clone();
        let mut rows = (async_stream::try_stream! {
            let mut rows = sqlx::query(HUNDRED).fetch(&pool); // @stream
            while let Some(row) = rows.try_next().await? {
                yield row;
            }
        })
        .boxed();
        rows.try_next().await?;
        *kept.lock().unwrap() = Some(rows);
        Ok(())
    }
    let Some(pool) = pool_of(1).await else { return };
    let kept = Mutex::default();
    let name = here!("a_stream_kept_half_read::reads_half");
    let (result, _) = leaks("stream", "fetch", &name, reads_half(&pool, &kept)).await;
    result.unwrap();
    drop(kept.into_inner().unwrap());
    pool.assert_serves_all().await;
}

/// A statement on a connection that was lent to a helper is the handle's.
#[tokio::test]
async fn a_write_of_a_helper_is_lost() {
    #[track]
    async fn inserts(conn: &mut <Db as Database>::Connection) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(conn).await.map(drop)
    }
    #[track]
    async fn forgets(pool: &TestPool<Db>) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?; // @helper
        inserts(&mut tx).await?;
        assert_eq!(pool.handles()[0].statements, 1);
        inserts(tx.as_mut()).await?;
        assert_eq!(pool.handles()[0].statements, 2);
        sqlx::query(INSERT).execute(tx.as_mut()).await?;
        assert_eq!(pool.handles()[0].statements, 3);
        inserts(&mut tx).await
    }
    #[track]
    async fn commits(pool: &TestPool<Db>) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        inserts(&mut tx).await?;
        tx.commit().await
    }
    let Some(pool) = pool_of(1).await else { return };
    let (forgotten, found) = findings(forgets(&pool)).await;
    forgotten.unwrap();
    let [lost] = &found[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(lost.lint, Lint::ImplicitRollback);
    assert_eq!(lost.certainty, Certainty::Certain);
    assert_eq!(Place::from(&lost.primary), marked("helper", "begin"));
    silent(&pool, async { commits(&pool).await.unwrap() }).await;
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn handed_up_to_the_first_function_that_cannot_hold_it() {
    #[track]
    async fn hands_up(pool: &Pool) -> sqlx::Result<Tx> {
        pool.begin().await // @handed up
    }
    #[track]
    async fn keeps(pool: &Pool, kept: &Mutex<Vec<Tx>>) {
        let tx = hands_up(pool).await.unwrap();
        kept.lock().unwrap().push(tx);
    }
    let Some(pool) = pool_of(1).await else { return };
    let kept = Mutex::default();
    let name = here!("handed_up_to_the_first_function_that_cannot_hold_it::keeps");
    leaks("handed up", "begin", &name, keeps(&pool, &kept)).await;
    drop(kept);
    let tx = returned(&pool, hands_up(&pool)).await.unwrap();
    tx.rollback().await.unwrap();
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn nothing_is_found_where_nothing_is_lost() {
    #[track]
    async fn in_order(pool: &Pool) -> sqlx::Result<usize> {
        let mut tx = pool.begin().await?;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute(INSERT).await?;
        savepoint.rollback().await?;
        let rows = sqlx::query(HUNDRED).fetch(&mut *tx).count().await;
        tx.commit().await?;
        sqlx::query(HUNDRED).fetch(pool).try_next().await?;
        let mut connection = pool.acquire().await?;
        sqlx::query(BY_ID)
            .bind(1_i64)
            .fetch_one(&mut *connection)
            .await?;
        Ok(rows)
    }
    #[track]
    async fn fails(pool: &Pool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute("SELECT * FROM no_such_table").await?;
        tx.commit().await
    }
    #[track]
    async fn reserves(pool: &Pool, kept: &Mutex<Vec<PoolConnection<Db>>>) {
        let connection = pool.acquire().await.unwrap().long_lived("for the test");
        kept.lock().unwrap().push(connection);
    }
    #[track]
    async fn spawns(pool: &Pool) -> sqlx::Result<usize> {
        let pool = pool.clone();
        tokio::spawn(async move { in_order(&pool).await }.in_current_scope())
            .await
            .unwrap()
    }
    let Some(pool) = pool_of(3).await else { return };
    silent(&pool, async { in_order(&pool).await.unwrap() }).await;
    silent(&pool, async { fails(&pool).await.unwrap_err() }).await;
    silent(&pool, async { spawns(&pool).await.unwrap() }).await;
    silent(&pool, async {
        tokio::join!(in_order(&pool), fails(&pool), in_order(&pool))
    })
    .await;
    silent(&pool, leash::scope("by hand", in_order(&pool))).await;
    silent(&pool, poll_at_most(3, in_order(&pool))).await;
    let kept = Mutex::default();
    silent(&pool, async {
        reserves(&pool, &kept).await;
        assert_eq!(pool.handles()[0].reserved.as_deref(), Some("for the test"));
        kept.lock().unwrap().clear();
    })
    .await;
    pool.assert_serves_all().await;
}
