//! Memory is bounded: by call sites, not by texts, by what is alive, not by what was.

use sqlx::leash;
use sqlx::{AssertSqlSafe, Executor, SqlitePool, track};

use crate::child::in_child;
use crate::common::{TestPool, pool_of, rows_of};

const TEXTS: u64 = 10_000;

/// Rows of one place for many texts: few, and one of them stands for all that have no row of their own.
#[track_caller]
fn check(rows: &[leash::SiteStats], most: usize) {
    assert!(rows.len() <= most, "{} rows", rows.len());
    assert_eq!(
        rows.iter().map(|row| row.calls).sum::<u64>(),
        TEXTS,
        "every call is counted"
    );
    let shared: Vec<_> = rows.iter().filter(|row| row.texts > 1).collect();
    assert_eq!(shared.len(), 1, "one row is shared");
    let beyond = TEXTS - (rows.len() as u64 - 1);
    // An estimate: three times its standard error of 13 %.
    let [low, high] = [beyond * 61 / 100, beyond * 139 / 100];
    assert!(
        (low..=high).contains(&shared[0].texts),
        "about {beyond} texts share it: {}",
        shared[0].texts
    );
    assert_eq!(shared[0].calls, beyond);
}

#[tokio::test]
async fn many_texts_at_one_place() {
    #[track]
    async fn dynamic(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        for number in 0..TEXTS {
            let sql = AssertSqlSafe(format!("SELECT {number} AS a"));
            sqlx::query(sql)
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
    dynamic(&*pool_of(1).await).await.unwrap();
    check(&rows_of("memory::many_texts_at_one_place::dynamic"), 40);
}

#[test]
fn many_texts_of_untracked_code() {
    let _ = in_child("memory::many_texts_of_untracked_code", &[], |runtime| {
        runtime.block_on(async {
            let pool = pool_of(1).await;
            let mut connection = pool.acquire().await.unwrap();
            for number in 0..TEXTS {
                let sql = AssertSqlSafe(format!("SELECT {number} AS b"));
                sqlx::query(sql)
                    .persistent(false)
                    .execute(&mut *connection)
                    .await
                    .unwrap();
            }
            let mut rows = leash::snapshot().sites;
            rows.retain(|row| {
                row.function.is_none() && (row.texts > 1 || row.sql.ends_with(" AS b"))
            });
            check(&rows, 1100);
        });
    });
}

/// In a process of its own: the tracker's size is a number of the process.
#[test]
fn many_handles_one_after_the_other() {
    #[track]
    async fn round(pool: &TestPool) {
        let mut connection = pool.acquire().await.unwrap();
        connection.execute("SELECT 1").await.unwrap();
        drop(connection);
        let (one, two) = tokio::join!(pool.begin(), pool.acquire());
        drop((one.unwrap(), two.unwrap()));
    }
    let _ = in_child("memory::many_handles_one_after_the_other", &[], |runtime| {
        runtime.block_on(async {
            let pool = pool_of(4).await;
            for _ in 0..10 {
                round(&pool).await;
            }
            // The tracker's, once sqlx has taken back what was dropped.
            let settled = async || {
                let mut tracker = leash::snapshot().tracker;
                while tracker.live > 0 {
                    tokio::task::yield_now().await;
                    tracker = leash::snapshot().tracker;
                }
                tracker
            };
            let early = settled().await;
            assert_eq!(early.scopes, 0);
            for _ in 0..7_000 {
                round(&pool).await;
            }
            assert_eq!(settled().await, early, "as large as after ten rounds");
            assert_eq!(pool.stats().acquired, 3 * 7_010);
            pool.assert_serves_all().await;
            settled().await;
            // While something is held, it is counted.
            let held = pool.acquire().await.unwrap();
            let more = leash::snapshot().tracker;
            assert_eq!(more.live, 1);
            assert!(more.bytes > early.bytes);
            drop(held);
        });
    });
}

/// A pool that is gone leaves nothing behind.
#[test]
fn many_pools_one_after_the_other() {
    let _ = in_child("memory::many_pools_one_after_the_other", &[], |runtime| {
        runtime.block_on(async {
            let mut sizes = Vec::new();
            for _ in 0..30 {
                let pool = pool_of(1).await;
                pool.acquire()
                    .await
                    .unwrap()
                    .execute("SELECT 1")
                    .await
                    .unwrap();
                pool.close().await;
                drop(pool);
                sizes.push(leash::snapshot().tracker);
            }
            assert_eq!((sizes[1].pools, sizes[1].live), (0, 0));
            assert_eq!(sizes[29], sizes[1]);
        });
    });
}
