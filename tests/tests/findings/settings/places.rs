//! Every way to make a pool, in tracked functions and out of them: the finding points at the connect, once.

use sqlx::leash::testing::findings;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Pool, Sqlite, SqlitePool, track};

use super::memory;
use crate::common::{Place, assert_none, marked, only};

const MEMORY: &str = "sqlite::memory:";

fn options() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
}

#[track]
mod tracked {
    use super::*;

    pub(super) async fn connect() -> sqlx::Result<SqlitePool> {
        options().connect(MEMORY).await // @tracked connect
    }

    pub(super) async fn connect_with() -> sqlx::Result<SqlitePool> {
        options().connect_with(memory()).await // @tracked connect_with
    }

    pub(super) async fn connect_lazy() -> sqlx::Result<SqlitePool> {
        options().connect_lazy(MEMORY) // @tracked connect_lazy
    }

    pub(super) async fn connect_lazy_with() -> sqlx::Result<SqlitePool> {
        Ok(options().connect_lazy_with(memory())) // @tracked connect_lazy_with
    }

    pub(super) async fn pool_connect() -> sqlx::Result<SqlitePool> {
        SqlitePool::connect(MEMORY).await // @tracked pool connect
    }

    pub(super) async fn pool_connect_with() -> sqlx::Result<SqlitePool> {
        SqlitePool::connect_with(memory()).await // @tracked pool connect_with
    }

    pub(super) async fn pool_connect_lazy() -> sqlx::Result<SqlitePool> {
        Pool::connect_lazy(MEMORY) // @tracked pool connect_lazy
    }

    pub(super) async fn pool_connect_lazy_with() -> sqlx::Result<SqlitePool> {
        Ok(Pool::<Sqlite>::connect_lazy_with(memory())) // @tracked pool connect_lazy_with
    }

    /// The future is made in one place and awaited in another.
    pub(super) async fn awaited_later() -> sqlx::Result<SqlitePool> {
        let connecting = options().connect(MEMORY); // @tracked later
        tokio::time::timeout(std::time::Duration::from_mins(1), connecting)
            .await
            .expect("a database in memory connects at once")
    }
}

async fn connect() -> sqlx::Result<SqlitePool> {
    options().connect(MEMORY).await // @connect
}

async fn connect_with() -> sqlx::Result<SqlitePool> {
    options().connect_with(memory()).await // @connect_with
}

fn connect_lazy() -> sqlx::Result<SqlitePool> {
    options().connect_lazy(MEMORY) // @connect_lazy
}

fn connect_lazy_with() -> SqlitePool {
    options().connect_lazy_with(memory()) // @connect_lazy_with
}

/// Checks the one finding of `making`, and that the pool's use causes no other.
async fn check(
    making: impl Future<Output = sqlx::Result<SqlitePool>>,
    place: Place,
    function: &str,
) {
    let (pool, found) = findings(making).await;
    let pool = pool.unwrap();
    let found = only(found);
    let all = found.render();
    assert_eq!(Place::from(&found.primary), place, "{all}");
    assert_eq!(found.function.as_deref(), Some(function), "{all}");
    let ((), again) = findings(async {
        let clone = pool.clone();
        sqlx::query("SELECT 1").execute(&clone).await.unwrap();
        drop(clone.acquire().await.unwrap());
    })
    .await;
    assert_none(&again);
}

#[tokio::test]
async fn in_tracked_functions() {
    let of = |function: &str| format!("findings::settings::places::tracked::{function}");
    let at = |marker: &str, word| marked(&format!("tracked {marker}"), word);
    check(tracked::connect(), at("connect", "connect"), &of("connect")).await;
    check(
        tracked::connect_with(),
        at("connect_with", "connect_with"),
        &of("connect_with"),
    )
    .await;
    check(
        tracked::connect_lazy(),
        at("connect_lazy", "connect_lazy"),
        &of("connect_lazy"),
    )
    .await;
    check(
        tracked::connect_lazy_with(),
        at("connect_lazy_with", "connect_lazy_with"),
        &of("connect_lazy_with"),
    )
    .await;
    check(
        tracked::pool_connect(),
        at("pool connect", "SqlitePool::connect"),
        &of("pool_connect"),
    )
    .await;
    check(
        tracked::pool_connect_with(),
        at("pool connect_with", "SqlitePool::connect_with"),
        &of("pool_connect_with"),
    )
    .await;
    check(
        tracked::pool_connect_lazy(),
        at("pool connect_lazy", "Pool::connect_lazy"),
        &of("pool_connect_lazy"),
    )
    .await;
    check(
        tracked::pool_connect_lazy_with(),
        at(
            "pool connect_lazy_with",
            "Pool::<Sqlite>::connect_lazy_with",
        ),
        &of("pool_connect_lazy_with"),
    )
    .await;
    check(
        tracked::awaited_later(),
        at("later", "connect"),
        &of("awaited_later"),
    )
    .await;
}

#[tokio::test]
async fn out_of_tracked_functions() {
    check(connect(), marked("connect", "connect"), "findings").await;
    check(
        connect_with(),
        marked("connect_with", "connect_with"),
        "findings",
    )
    .await;
    let lazy = async { connect_lazy() };
    check(lazy, marked("connect_lazy", "connect_lazy"), "findings").await;
    let lazy = async { Ok(connect_lazy_with()) };
    check(
        lazy,
        marked("connect_lazy_with", "connect_lazy_with"),
        "findings",
    )
    .await;
}

/// A pool that is made of another one's options is a pool of its own.
#[tokio::test]
async fn each_pool_is_judged() {
    let (_pools, found) = findings(async {
        let first = connect().await.unwrap();
        let options: SqliteConnectOptions = (*first.connect_options()).clone();
        let second = first.options().clone().connect_with(options).await.unwrap();
        (first, second)
    })
    .await;
    assert_eq!(found.len(), 2);
}
