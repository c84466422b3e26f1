//! In a debug build a leak panics: in the user's file, at the function that lost the handle, and never twice.

use std::sync::Mutex;

use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::{SqlitePool, track};

use crate::common::{Place, Tx, caught, declared, marked, pool};

static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());

/// Asserts that `future` panics at the name of the function, with the place of the acquire in the message.
#[track_caller]
fn check(
    future: impl Future<Output = ()>,
    function: &Place,
    taken: &Place,
) -> impl Future<Output = ()> {
    let (function, taken) = (
        function.clone(),
        format!("{}:{}:{}", taken.file, taken.line, taken.column),
    );
    async move {
        let (caught, place) = caught(future).await;
        if !cfg!(debug_assertions) {
            caught.expect("nothing panics in a release build");
            return;
        }
        let message = caught.expect_err("it panics").downcast::<String>().unwrap();
        assert!(
            message.contains("outlived_scope") && message.contains(&taken),
            "{message}"
        );
        assert_eq!(place, Some(function));
    }
}

#[track]
async fn free_function(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap(); // @free
    KEPT.lock().unwrap().push(tx);
}

struct Repo(SqlitePool);

#[track]
impl Repo {
    async fn method(&self) {
        let tx = self.0.begin().await.unwrap(); // @method
        KEPT.lock().unwrap().push(tx);
    }
}

#[track]
fn boxed(pool: &SqlitePool) -> BoxFuture<'_, ()> {
    Box::pin(async move {
        let tx = pool.begin().await.unwrap(); // @boxed
        KEPT.lock().unwrap().push(tx);
    })
}

#[async_trait]
trait Stored {
    async fn stored(&self);
}

#[async_trait]
#[track]
impl Stored for Repo {
    async fn stored(&self) {
        let tx = self.0.begin().await.unwrap(); // @stored
        KEPT.lock().unwrap().push(tx);
    }
}

#[tokio::test]
async fn at_the_function_that_lost_it() {
    let pool = pool().await;
    check(
        free_function(&pool),
        &declared("free_function"),
        &marked("free", "begin"),
    )
    .await;
    let repo = Repo(pool.clone());
    check(
        repo.method(),
        &declared("method"),
        &marked("method", "begin"),
    )
    .await;
    check(boxed(&pool), &declared("boxed"), &marked("boxed", "begin")).await;
    let place = marked("stored", "begin");
    // The name is on the line above the body.
    let line = place.line - 1;
    check(
        repo.stored(),
        &Place {
            line,
            column: 14,
            ..place.clone()
        },
        &place,
    )
    .await;
}

/// The handles that the outer functions still hold are dropped during the unwinding, which does not panic again.
#[tokio::test]
async fn once_through_all_functions_around() {
    #[track]
    async fn loses(pool: &SqlitePool) {
        let tx = pool.begin().await.unwrap(); // @once
        KEPT.lock().unwrap().push(tx);
    }
    #[track]
    async fn around(pool: &SqlitePool) {
        let tx = pool.begin().await.unwrap();
        let kept = pool.begin().await.unwrap();
        KEPT.lock().unwrap().push(kept);
        loses(pool).await;
        drop(tx);
    }
    let pool = pool().await;
    if cfg!(debug_assertions) {
        check(around(&pool), &declared("loses"), &marked("once", "begin")).await;
    }
}

#[tokio::test]
async fn in_a_spawned_task_it_is_a_join_error() {
    #[track]
    async fn in_task(pool: SqlitePool) {
        let tx = pool.begin().await.unwrap();
        KEPT.lock().unwrap().push(tx);
    }
    let ended = tokio::spawn(in_task(pool().await.clone())).await;
    assert_eq!(
        ended.is_err_and(|error| error.is_panic()),
        cfg!(debug_assertions)
    );
}

/// After the report the handle belongs to no scope: no function further out reports it again.
#[tokio::test]
async fn a_reported_handle_is_not_reported_again() {
    #[track(warn(outlived_scope))]
    async fn loses_it(pool: &SqlitePool, kept: &mut Vec<Tx>) {
        kept.push(pool.begin().await.unwrap());
    }
    #[track]
    async fn would_panic(pool: &SqlitePool, kept: &mut Vec<Tx>) {
        loses_it(pool, kept).await;
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    would_panic(&pool, &mut kept).await;
    assert_eq!(pool.handles().len(), 1);
    assert_eq!(pool.handles()[0].scope, None);
    drop(kept);
    pool.assert_empty();
}
