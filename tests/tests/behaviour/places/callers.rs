//! Places that are passed on: helpers, executors, handles, methods with the same name.

use futures::future::join_all;
use sqlx::leash;
use sqlx::{Acquire, SqliteExecutor, SqlitePool, track};

use crate::common::{Place, declared, full_name, marked, pool};

use super::{called_from, check};

/// The statements of `function` without their own place are counted at its name.
#[track_caller]
fn check_at_name(function: &str, name: &str) {
    assert_eq!(called_from(function), [declared(name)], "{function}");
}

#[tokio::test]
async fn of_helpers_without_a_place() {
    async fn helper(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT 'helper'").execute(pool).await?;
        Ok(())
    }
    #[track]
    async fn calls_helper(pool: &SqlitePool) -> sqlx::Result<()> {
        helper(pool).await
    }
    let pool = pool().await;
    calls_helper(&pool).await.unwrap();
    check_at_name(
        "places::callers::of_helpers_without_a_place::calls_helper",
        "calls_helper",
    );
    // Outside of any function, only the text is known.
    helper(&pool).await.unwrap();
    let rows = leash::snapshot().sites;
    let row = rows
        .iter()
        .find(|row| row.function.is_none() && row.sql == "SELECT 'helper'")
        .expect("counted by its text");
    assert_eq!((row.calls, row.line, &row.file), (1, 0, &None));
}

#[tokio::test]
async fn of_executors_that_are_handed_in() {
    #[track]
    async fn generic<'e>(executor: impl SqliteExecutor<'e>) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(executor).await?; // @handed in
        Ok(())
    }
    #[track]
    async fn acquiring<'a>(from: impl Acquire<'a, Database = sqlx::Sqlite>) -> sqlx::Result<()> {
        let mut connection = from.acquire().await?; // @acquired
        sqlx::query("SELECT 1").execute(&mut **connection).await?; // @acquired query
        Ok(())
    }
    let pool = pool().await;
    let mut tx = pool.begin().await.unwrap();
    generic(&mut *tx).await.unwrap();
    acquiring(&mut *tx).await.unwrap();
    check(
        "places::callers::of_executors_that_are_handed_in::generic",
        &[("handed in", "execute")],
    );
    check(
        "places::callers::of_executors_that_are_handed_in::acquiring",
        &[("acquired query", "execute")],
    );
}

#[tokio::test]
async fn of_handles() {
    #[track]
    async fn take(pool: &SqlitePool) -> sqlx::Result<Vec<(Place, Option<String>)>> {
        let name = pool.size();
        let plain = pool.acquire().await?; // @acquire
        let begun = pool.begin().await?; // @begin
        let tried = pool.try_acquire(); // @try
        let later = pool.acquire(); // @taken later
        let taken = later.await?;
        let through_trait = Acquire::acquire(pool).await?; // @through trait
        let all = leash::snapshot()
            .handles
            .into_iter()
            .filter(|handle| handle.site.file.ends_with("places/callers.rs"));
        let places = all.filter(|handle| {
            handle.scope.as_deref() == Some("behaviour::places::callers::of_handles::take")
        });
        let places = places
            .map(|handle| (Place::from(&handle.site), handle.site.function))
            .collect();
        drop((plain, begun, tried, taken, through_trait, name));
        Ok(places)
    }
    let pool = pool().await;
    pool.has_idle(1).await;
    // Leaves one connection idle for `try_acquire`.
    {
        let all = join_all((0..3).map(|_| pool.acquire())).await;
        drop(all);
        pool.has_idle(3).await;
    }
    let places = take(&pool).await.unwrap();
    let expected = [
        ("acquire", "acquire"),
        ("begin", "begin"),
        ("try", "try_acquire"),
        ("taken later", "acquire"),
        ("through trait", "acquire"),
    ];
    let function = Some(full_name("places::callers::of_handles::take"));
    assert_eq!(
        places,
        expected.map(|(marker, word)| (marked(marker, word), function.clone()))
    );
}

/// A method of the user's own type with the name of one of sqlx's.
#[tokio::test]
async fn of_methods_with_the_same_name() {
    struct Repo(SqlitePool);
    impl Repo {
        async fn execute(&self, number: i64) -> sqlx::Result<i64> {
            sqlx::query_scalar("SELECT ?")
                .bind(number)
                .fetch_one(&self.0)
                .await
        }
    }
    #[track]
    async fn alike(repo: &Repo) -> sqlx::Result<i64> {
        let doubled = async { sqlx::query_scalar("SELECT 2").fetch_one(&repo.0).await }; // @own
        let two: i64 = doubled.await?;
        Ok(repo.execute(two).await?) // @called alike
    }
    let repo = Repo(pool().await.clone());
    assert_eq!(alike(&repo).await.unwrap(), 2);
    check(
        "places::callers::of_methods_with_the_same_name::alike",
        &[("own", "fetch_one"), ("called alike", "execute")],
    );
}
