//! Returned values that may hold a handle.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool, track};

use crate::common::{Tx, pool, returned};

use super::{Unit, UnitOfWork};

enum State {
    Idle,
    Working(Tx),
}

struct Generic<T> {
    inner: T,
}

#[tokio::test]
async fn returned_in_every_kind_of_value() {
    #[track]
    async fn itself(pool: &SqlitePool) -> Tx {
        pool.begin().await.unwrap()
    }
    #[track]
    async fn in_result(pool: &SqlitePool) -> sqlx::Result<Tx> {
        pool.begin().await
    }
    #[track]
    async fn connection(pool: &SqlitePool) -> anyhow::Result<PoolConnection<Sqlite>> {
        Ok(pool.acquire().await?)
    }
    #[track]
    async fn in_option(pool: &SqlitePool) -> Option<Tx> {
        pool.begin().await.ok()
    }
    #[track]
    async fn in_result_of_option(pool: &SqlitePool) -> sqlx::Result<Option<(u8, Tx)>> {
        Ok(Some((1, pool.begin().await?)))
    }
    #[track]
    async fn in_tuple(pool: &SqlitePool) -> (i64, Tx) {
        (1, pool.begin().await.unwrap())
    }
    #[track]
    async fn in_struct(pool: &SqlitePool) -> sqlx::Result<UnitOfWork> {
        Ok(UnitOfWork {
            tx: pool.begin().await?,
        })
    }
    #[track]
    async fn in_trait_object(pool: &SqlitePool) -> Box<dyn Unit> {
        Box::new(UnitOfWork {
            tx: pool.begin().await.unwrap(),
        })
    }
    #[track]
    async fn in_arc_of_trait(pool: &SqlitePool) -> Arc<Mutex<dyn Unit>> {
        Arc::new(Mutex::new(UnitOfWork {
            tx: pool.begin().await.unwrap(),
        }))
    }
    #[track]
    async fn in_vec(pool: &SqlitePool) -> Vec<Tx> {
        vec![pool.begin().await.unwrap()]
    }
    #[track]
    async fn in_enum(pool: &SqlitePool) -> State {
        State::Working(pool.begin().await.unwrap())
    }
    #[track]
    async fn in_box(pool: &SqlitePool) -> Box<Tx> {
        Box::new(pool.begin().await.unwrap())
    }
    #[track]
    async fn in_async_mutex(pool: &SqlitePool) -> Arc<tokio::sync::Mutex<Tx>> {
        Arc::new(tokio::sync::Mutex::new(pool.begin().await.unwrap()))
    }
    #[track]
    async fn in_rc(pool: &SqlitePool) -> Rc<RefCell<Option<Tx>>> {
        Rc::new(RefCell::new(Some(pool.begin().await.unwrap())))
    }
    #[track]
    async fn as_impl_trait(pool: &SqlitePool) -> impl Unit + use<> {
        UnitOfWork {
            tx: pool.begin().await.unwrap(),
        }
    }
    #[track]
    async fn as_generic<T>(pool: &SqlitePool, make: impl Fn(Tx) -> T) -> Generic<T> {
        Generic {
            inner: make(pool.begin().await.unwrap()),
        }
    }
    #[track]
    async fn in_a_closure(
        pool: &SqlitePool,
    ) -> impl FnOnce() -> BoxFuture<'static, sqlx::Result<()>> + use<> {
        let tx = pool.begin().await.unwrap();
        move || tx.commit().boxed()
    }
    #[track]
    async fn in_an_async_block(
        pool: &SqlitePool,
    ) -> impl Future<Output = sqlx::Result<()>> + use<> {
        let tx = pool.begin().await.unwrap();
        async move { tx.commit().await }
    }
    #[track]
    async fn as_impl_future(pool: &SqlitePool) -> impl Future<Output = sqlx::Result<()>> + use<> {
        let tx = pool.begin().await.unwrap();
        tx.commit()
    }
    #[track]
    async fn in_a_boxed_future(
        pool: &SqlitePool,
    ) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send>> {
        let tx = pool.begin().await.unwrap();
        Box::pin(tx.commit())
    }
    #[track]
    async fn in_assert_unwind_safe(pool: &SqlitePool) -> AssertUnwindSafe<Tx> {
        AssertUnwindSafe(pool.begin().await.unwrap())
    }

    let pool = pool().await;
    drop(returned(&pool, itself(&pool)).await);
    drop(returned(&pool, in_result(&pool)).await);
    drop(returned(&pool, connection(&pool)).await);
    drop(returned(&pool, in_option(&pool)).await);
    drop(returned(&pool, in_result_of_option(&pool)).await);
    drop(returned(&pool, in_tuple(&pool)).await);
    drop(returned(&pool, in_struct(&pool)).await);
    assert_eq!(returned(&pool, in_trait_object(&pool)).await.depth(), 1);
    drop(returned(&pool, in_arc_of_trait(&pool)).await);
    drop(returned(&pool, in_vec(&pool)).await);
    let mut state = returned(&pool, in_enum(&pool)).await;
    if let State::Working(tx) = std::mem::replace(&mut state, State::Idle) {
        tx.commit().await.unwrap();
    }
    drop(returned(&pool, in_box(&pool)).await);
    drop(returned(&pool, in_async_mutex(&pool)).await);
    drop(returned(&pool, in_rc(&pool)).await);
    drop(returned(&pool, as_impl_trait(&pool)).await);
    drop(returned(&pool, as_generic(&pool, |tx| tx)).await.inner);
    let commit = returned(&pool, in_a_closure(&pool)).await;
    commit().await.unwrap();
    returned(&pool, in_an_async_block(&pool))
        .await
        .await
        .unwrap();
    returned(&pool, as_impl_future(&pool)).await.await.unwrap();
    returned(&pool, in_a_boxed_future(&pool))
        .await
        .await
        .unwrap();
    drop(returned(&pool, in_assert_unwind_safe(&pool)).await);
    pool.assert_serves_all().await;
}

struct Carrying {
    tx: Tx,
}

#[derive(Debug, thiserror::Error)]
#[error("not committed")]
struct Uncommitted {
    tx: Mutex<Option<Tx>>,
}

#[tokio::test]
async fn carried_by_an_error() {
    #[track]
    async fn refused(pool: &SqlitePool) -> Result<(), Carrying> {
        Err(Carrying {
            tx: pool.begin().await.unwrap(),
        })
    }
    #[track]
    async fn handed_back(pool: &SqlitePool) -> Result<i64, Tx> {
        Err(pool.begin().await.unwrap())
    }
    #[track(returns_handle)]
    async fn said_so(pool: &SqlitePool) -> Result<(), Uncommitted> {
        Err(Uncommitted {
            tx: Mutex::new(Some(pool.begin().await.unwrap())),
        })
    }
    let pool = pool().await;
    drop(returned(&pool, refused(&pool)).await.unwrap_err().tx);
    drop(returned(&pool, handed_back(&pool)).await);
    drop(returned(&pool, said_so(&pool)).await.unwrap_err().tx);
    pool.assert_empty();
}

struct Shown(Tx);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shown")
    }
}

#[tokio::test]
async fn held_by_a_value_that_can_be_shown() {
    #[track]
    async fn shown(pool: &SqlitePool) -> Shown {
        Shown(pool.begin().await.unwrap())
    }
    #[track]
    async fn shown_in_result(pool: &SqlitePool) -> Result<Shown, String> {
        Ok(Shown(
            pool.begin().await.map_err(|error| error.to_string())?,
        ))
    }
    let pool = pool().await;
    drop(returned(&pool, shown(&pool)).await.0);
    drop(returned(&pool, shown_in_result(&pool)).await.unwrap().0);
}
