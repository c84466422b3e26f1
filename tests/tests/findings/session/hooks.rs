//! What the pool's own hooks set and undo.

use sqlx::leash::PoolExt;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Executor, Sqlite, SqlitePool};

use crate::common::{TestPool, assert_none, connect, options};

use super::{check, sent};

fn sets<'c>(
    conn: &'c mut sqlx::SqliteConnection,
    _: sqlx::pool::PoolConnectionMetadata,
) -> futures::future::BoxFuture<'c, sqlx::Result<()>> {
    Box::pin(async move { conn.execute("PRAGMA cache_size = 5").await.map(drop) })
}

fn resets<'c>(
    conn: &'c mut sqlx::SqliteConnection,
    _: sqlx::pool::PoolConnectionMetadata,
) -> futures::future::BoxFuture<'c, sqlx::Result<bool>> {
    Box::pin(async move {
        conn.execute("PRAGMA cache_size = -2000")
            .await
            .map(|_| true)
    })
}

#[tokio::test]
async fn what_a_hook_sets_is_not_judged() {
    let pool = connect(options(2).after_connect(sets)).await;
    assert_none(&sent!(Sqlite, pool, "SELECT 1"));
    // It cannot undo anything: it runs once in a connection's life.
    let found = sent!(Sqlite, pool, "PRAGMA cache_size = 6");
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "old value",
    );
}

#[tokio::test]
async fn a_hook_may_undo_it() {
    let released = connect(options(2).after_release(resets)).await;
    assert_none(&sent!(Sqlite, released, "PRAGMA cache_size = 6"));
    let acquired = connect(options(2).before_acquire(resets)).await;
    assert_none(&sent!(Sqlite, acquired, "PRAGMA cache_size = 6"));
    let cloned = connect(released.options().clone()).await;
    assert_none(&sent!(Sqlite, cloned, "PRAGMA cache_size = 6"));
}

#[tokio::test]
async fn the_hooks_of_plain_sqlx_are_not_known() {
    let plain = plain_sqlx::sqlite::SqlitePoolOptions::new();
    let pool = connect(SqlitePoolOptions::from(plain)).await;
    assert_none(&sent!(Sqlite, pool, "PRAGMA cache_size = 6"));
    let of_tracked = TestPool::of(SqlitePool::from(pool.as_sqlx().clone()));
    assert_none(&sent!(Sqlite, of_tracked, "PRAGMA cache_size = 6"));
    let plain = plain_sqlx::SqlitePool::connect("sqlite::memory:")
        .await
        .unwrap();
    let tracked = TestPool::of(SqlitePool::from(plain));
    assert_none(&sent!(Sqlite, tracked, "PRAGMA cache_size = 6"));
}

#[sqlx::test]
async fn a_test_has_no_hooks(pool: SqlitePool) {
    let found = sent!(Sqlite, pool, "PRAGMA cache_size = 6");
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "old value",
    );
}
