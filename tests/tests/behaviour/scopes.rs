//! Scopes: nesting, ends, and counters.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use futures::FutureExt;
use leash_tests::in_child;
use sqlx::leash::testing::{assert_queries, counting};
use sqlx::leash::{self, ScopeExt};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Executor, SqliteConnection, SqlitePool, track};
use tokio::sync::oneshot;

use crate::common::{TestPool, poll_at_most, pool};

#[track]
async fn one(pool: &SqlitePool) -> sqlx::Result<()> {
    pool.execute("SELECT 1").await?;
    Ok(())
}

#[track]
async fn two(pool: &SqlitePool) -> sqlx::Result<()> {
    one(pool).await?;
    one(pool).await
}

#[tokio::test]
async fn queries_count_in_every_scope_around() {
    let pool = pool().await;
    let nested = async {
        let (result, inner) = counting(two(&pool)).await;
        result.unwrap();
        let ((), spawned) = counting(async {
            let pool = (*pool).clone();
            tokio::spawn(async move { two(&pool).await }.in_current_scope())
                .await
                .unwrap()
                .unwrap();
        })
        .await;
        let ((), not_carried) = counting(async {
            let pool = (*pool).clone();
            tokio::spawn(async move { two(&pool).await })
                .await
                .unwrap()
                .unwrap();
        })
        .await;
        let (_, by_hand) = counting(leash::scope("by hand", two(&pool))).await;
        (inner, spawned, not_carried, by_hand)
    };
    let (inner, all) = counting(nested).await;
    assert_eq!(inner, (2, 2, 0, 2));
    assert_eq!(all, 6);
}

/// A pool's hooks run during an acquire, but do not count in the acquiring scope.
#[tokio::test]
async fn hooks_count_for_no_acquiring_scope() {
    #[track(name = "a hook")]
    async fn hook(connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query("SELECT 'hook'").execute(connection).await?;
        Ok(())
    }
    #[track(max_queries = 1)]
    async fn select(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(pool).await?;
        Ok(())
    }
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| Box::pin(hook(connection)))
        .before_acquire(|connection, _| {
            Box::pin(async move { hook(connection).await.map(|()| true) })
        })
        .connect_lazy("sqlite::memory:")
        .unwrap();
    for acquires in 1..=3 {
        assert_queries!(1, select(&pool)).unwrap();
        let sites = leash::snapshot().sites;
        let hooks = sites
            .iter()
            .find(|site| site.function.as_deref() == Some("a hook"));
        assert_eq!(hooks.map(|site| site.calls), Some(acquires));
    }
    pool.close().await;
}

/// The same of a pool whose only hook is for new connections: its acquires show no other code to run.
#[tokio::test]
async fn a_hook_for_new_connections_counts_for_no_acquiring_scope() {
    #[track(name = "the only hook")]
    async fn hook(connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query("SELECT 'the only hook'")
            .execute(connection)
            .await?;
        Ok(())
    }
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .after_connect(|connection, _| Box::pin(hook(connection)))
        .connect_lazy("sqlite::memory:")
        .unwrap();
    let (one, all) = counting(async {
        let (selected, sent) = counting(one(&pool)).await;
        selected.unwrap();
        sent
    })
    .await;
    assert_eq!((one, all), (1, 1));
    let sites = leash::snapshot().sites;
    let of_hook = |site: &&leash::SiteStats| site.function.as_deref() == Some("the only hook");
    assert_eq!(sites.iter().find(of_hook).map(|site| site.calls), Some(1));
    pool.close().await;
}

#[tokio::test]
async fn branches_are_counted_separately() {
    let pool = pool().await;
    let branches = async {
        tokio::join!(
            counting(one(&pool)),
            counting(two(&pool)),
            counting(async { 3 })
        )
    };
    let (((_, first), (_, second), (_, third)), all) = counting(branches).await;
    assert_eq!((first, second, third, all), (1, 2, 0, 3));
}

/// A root is not part of the functions around it, but of what a test looks at.
#[tokio::test]
async fn a_root_begins_its_own_count() {
    #[track(root)]
    async fn job(pool: &SqlitePool) -> sqlx::Result<()> {
        two(pool).await
    }
    #[track(max_queries = 1, deny(query_budget))]
    async fn worker(pool: &SqlitePool) -> sqlx::Result<()> {
        one(pool).await?;
        job(pool).await
    }
    let pool = pool().await;
    let (results, counted) = counting(async { (job(&pool).await, worker(&pool).await) }).await;
    results.0.unwrap();
    results.1.unwrap();
    assert_eq!(counted, 5);
    let carried = {
        let pool = (*pool).clone();
        counting(tokio::spawn(
            async move { worker(&pool).await }.in_current_scope(),
        ))
    };
    let (_, outside) = carried.await;
    assert_eq!(outside, 0, "carried from where no scope was");
    let ((), carried) = counting(async {
        let pool = (*pool).clone();
        let task = tokio::spawn(async move { worker(&pool).await }.in_current_scope());
        task.await.unwrap().unwrap();
    })
    .await;
    assert_eq!(carried, 3, "in a task that the test carries");
}

#[tokio::test]
async fn tracked_code_called_from_untracked_code_and_back() {
    async fn untracked(pool: &SqlitePool) -> sqlx::Result<()> {
        pool.execute("SELECT 1").await?;
        two(pool).await
    }
    #[track]
    async fn calls_untracked(pool: &SqlitePool) -> sqlx::Result<()> {
        untracked(pool).await
    }
    let pool = pool().await;
    let ((), counted) = counting(async {
        untracked(&pool).await.unwrap();
        calls_untracked(&pool).await.unwrap();
    })
    .await;
    assert_eq!(counted, 6);
}

#[tokio::test]
async fn the_number_of_queries_is_asserted() {
    let pool = pool().await;
    assert_queries!(2, two(&pool)).unwrap();
}

/// A scope owns the handles that it acquires, and each handle lists the scope's name.
#[tokio::test]
async fn handles_belong_to_the_innermost_scope() {
    #[track]
    async fn inner(pool: &TestPool) -> Vec<Option<String>> {
        let _held = pool.acquire().await.unwrap();
        pool.handles()
            .into_iter()
            .map(|handle| handle.scope)
            .collect()
    }
    #[track]
    async fn outer(pool: &TestPool) -> Vec<Option<String>> {
        let _held = pool.begin().await.unwrap();
        leash::scope("by hand", inner(pool)).await
    }
    let pool = pool().await;
    let module = "behaviour::scopes::handles_belong_to_the_innermost_scope";
    let expected = [format!("{module}::outer"), format!("{module}::inner")].map(Some);
    assert_eq!(outer(&pool).await, expected);
    let by_hand = leash::scope("by hand", async {
        let _held = pool.acquire().await.unwrap();
        pool.handles().remove(0).scope
    });
    assert_eq!(by_hand.await.as_deref(), Some("by hand"));
    pool.assert_empty();
}

/// A handle that is handed up belongs to the scope that received it.
#[tokio::test]
async fn handles_that_are_returned_belong_to_the_caller() {
    #[track]
    async fn begins(pool: &SqlitePool) -> crate::common::Tx {
        pool.begin().await.unwrap()
    }
    #[track]
    async fn gets(pool: &TestPool) -> (Option<String>, Vec<String>) {
        let _tx = begins(pool).await;
        let handle = pool.handles().remove(0);
        (handle.scope, handle.handed_up)
    }
    let pool = pool().await;
    let module = "behaviour::scopes::handles_that_are_returned_belong_to_the_caller";
    assert_eq!(
        gets(&pool).await,
        (
            Some(format!("{module}::gets")),
            vec![format!("{module}::begins")]
        )
    );
}

/// In its own process: the number of scopes is a number of the process.
#[test]
fn scopes_end_however_their_future_does() {
    in_child(
        "scopes::scopes_end_however_their_future_does",
        &[],
        |runtime| runtime.block_on(all_ends()),
    );
}

async fn all_ends() {
    #[track]
    async fn returns(pool: &SqlitePool, fail: bool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute(if fail {
            "SELECT no_such_column"
        } else {
            "SELECT 1"
        })
        .await?;
        tx.commit().await
    }
    #[track]
    async fn panics(pool: &SqlitePool) {
        let _held = pool.acquire().await.unwrap();
        panic!("as tested");
    }
    #[track]
    async fn never_returns(pool: &SqlitePool, has_begun: &Mutex<Option<oneshot::Sender<()>>>) {
        let _held = pool.acquire().await.unwrap();
        if let Some(sender) = has_begun.lock().unwrap().take() {
            sender.send(()).unwrap();
        }
        pending::<()>().await;
    }
    fn scopes() -> u64 {
        leash::snapshot().tracker.scopes
    }

    let pool = pool().await;
    assert_eq!(scopes(), 0);
    returns(&pool, false).await.unwrap();
    assert_eq!(scopes(), 0, "after a return");
    returns(&pool, true).await.unwrap_err();
    assert_eq!(scopes(), 0, "after an error");
    AssertUnwindSafe(panics(&pool))
        .catch_unwind()
        .await
        .unwrap_err();
    assert_eq!(scopes(), 0, "after a panic");

    let (sender, receiver) = oneshot::channel();
    let task = tokio::spawn({
        let (pool, sender) = ((*pool).clone(), Mutex::new(Some(sender)));
        async move { never_returns(&pool, &sender).await }
    });
    receiver.await.unwrap();
    assert_eq!(scopes(), 1, "while it runs");
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(scopes(), 0, "after a cancellation");

    for polls in 0..20 {
        poll_at_most(polls, returns(&pool, false))
            .await
            .transpose()
            .unwrap();
        poll_at_most(polls, leash::scope("by hand", returns(&pool, false)))
            .await
            .transpose()
            .unwrap();
        poll_at_most(polls, counting(returns(&pool, false))).await;
        poll_at_most(polls, returns(&pool, false).in_current_scope())
            .await
            .transpose()
            .unwrap();
        assert_eq!(scopes(), 0, "cancelled after {polls} polls");
    }

    let carried = leash::scope("parent", async {
        let pool = (*pool).clone();
        one(&pool).await.unwrap();
        tokio::spawn(async move { two(&pool).await }.in_current_scope())
    });
    carried.await.await.unwrap().unwrap();
    assert_eq!(
        scopes(),
        0,
        "after a task that was carried beyond its parent"
    );
    pool.assert_serves_all().await;
}
