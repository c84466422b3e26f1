//! Several pools that one pool cannot replace, or that are gone soon.

use std::thread;

use sqlx::leash::PoolExt;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AnyPool, Database, MySqlPool, PgPool, Pool, SqlitePool};

use super::{TOO_MANY, URL, about, compared, lazy};
use crate::common::assert_none;

/// Asserts that nothing is found of the pools that `make` makes.
#[track_caller]
fn silent<T>(make: impl Future<Output = T>) -> impl Future<Output = ()> {
    let about = about(make);
    async {
        let (_pools, found) = about.await;
        assert_none(&found);
    }
}

/// The pools that one place makes, one of each number.
fn each<T>(make: impl Fn(usize) -> T) -> Vec<T> {
    (0..2 * TOO_MANY).map(make).collect()
}

fn options() -> PgConnectOptions {
    URL.parse().unwrap()
}

fn on_postgres(make: impl Fn(usize) -> PgConnectOptions) -> Vec<PgPool> {
    each(|number| PgPool::connect_lazy_with(make(number)))
}

#[tokio::test]
async fn a_pool_for_each_tenant() {
    silent(async {
        (
            on_postgres(|tenant| options().options([("search_path", format!("tenant_{tenant}"))])),
            on_postgres(|tenant| options().username(&format!("tenant_{tenant}"))),
            on_postgres(|tenant| options().database(&format!("tenant_{tenant}"))),
            on_postgres(|shard| options().host(&format!("shard{shard}.example"))),
            on_postgres(|shard| options().port(u16::try_from(shard).unwrap() + 2)),
            on_postgres(|work| options().application_name(&format!("work {work}"))),
        )
    })
    .await;
}

#[tokio::test]
async fn a_pool_for_each_tenant_of_other_databases() {
    sqlx::any::install_default_drivers();
    let mysql = || MySqlConnectOptions::new().host("127.0.0.1").port(1);
    let on_mysql = |make: &dyn Fn(usize) -> MySqlConnectOptions| {
        each(|number| MySqlPool::connect_lazy_with(make(number)))
    };
    let by_url =
        |url: &dyn Fn(usize) -> String| each(|number| AnyPool::connect_lazy(&url(number)).unwrap());
    silent(async {
        (
            on_mysql(&|tenant| mysql().database(&format!("tenant_{tenant}"))),
            on_mysql(&|tenant| mysql().username(&format!("tenant_{tenant}"))),
            by_url(&|tenant| format!("{URL}?options[search_path]=tenant_{tenant}")),
            by_url(&|tenant| format!("postgres://tenant_{tenant}@127.0.0.1:1/shop")),
            by_url(&|tenant| format!("mysql://eye@127.0.0.1:1/tenant_{tenant}")),
            each(|tenant| {
                let file = SqliteConnectOptions::new().filename(format!("tenant_{tenant}.db"));
                SqlitePool::connect_lazy_with(file)
            }),
        )
    })
    .await;
}

#[tokio::test]
async fn clones_are_one_pool() {
    silent(async {
        let pool = lazy();
        each(|_| pool.clone())
    })
    .await;
}

#[tokio::test]
async fn pools_that_are_closed_or_dropped() {
    silent(async {
        let mut closed = Vec::new();
        for _ in 0..2 * TOO_MANY {
            drop(lazy());
            let pool = lazy();
            pool.close().await;
            closed.push(pool);
        }
        closed
    })
    .await;
}

/// Jobs beside each other, each with a pool that it soon closes.
#[tokio::test]
async fn pools_that_live_for_a_moment() {
    silent(async {
        for _ in 0..10 {
            let pools = each(|_| lazy());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            drop(pools);
        }
    })
    .await;
}

#[tokio::test]
async fn pools_of_several_places() {
    silent(async {
        let two: Vec<PgPool> = (0..2).map(|_| PgPool::connect_lazy(URL).unwrap()).collect();
        (
            two,
            PgPool::connect_lazy(URL).unwrap(),
            PgPool::connect_lazy(URL).unwrap(),
            PgPool::connect_lazy(URL).unwrap(),
        )
    })
    .await;
}

#[tokio::test]
async fn pools_with_names_or_sizes_of_their_own() {
    silent(async {
        let named = each(|number| lazy().named(format!("worker {number}")));
        let sized = each(|number| {
            let size = u32::try_from(number).unwrap() + 1;
            let options = PgPoolOptions::new().max_connections(size);
            options.connect_lazy(URL).unwrap()
        });
        (named, sized)
    })
    .await;
}

#[tokio::test]
async fn databases_in_memory() {
    sqlx::any::install_default_drivers();
    let kept = || {
        SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    silent(async {
        (
            each(|_| kept().connect_lazy("sqlite::memory:").unwrap()),
            each(|_| kept().connect_lazy_with(SqliteConnectOptions::new().filename(":memory:"))),
            each(|_| {
                let named = "sqlite:file:duplicates?mode=memory";
                kept().connect_lazy(named).unwrap()
            }),
            each(|_| AnyPool::connect_lazy("sqlite::memory:").unwrap()),
        )
    })
    .await;
}

/// A program that renews its password makes a new pool, and closes the old one.
#[tokio::test]
async fn new_credentials() {
    silent(async {
        let mut pool = lazy();
        for number in 0..2 * TOO_MANY {
            let renewed = options().password(&format!("token {number}"));
            let old = std::mem::replace(&mut pool, PgPool::connect_lazy_with(renewed.clone()));
            old.close().await;
            pool.set_connect_options(renewed);
        }
        pool
    })
    .await;
}

/// Where the pools lead by the time they are compared is what counts.
#[tokio::test]
async fn connect_options_that_are_set_later() {
    silent(async {
        let pools = each(|_| lazy());
        for (tenant, pool) in pools.iter().enumerate() {
            pool.set_connect_options(options().database(&format!("tenant_{tenant}")));
        }
        pools
    })
    .await;
}

/// Each test of a program runs on a thread of its own, in a runtime of its own, and cannot share a pool with others.
#[tokio::test]
async fn a_pool_for_each_test() {
    const NAME: &str = "by test";
    leash_tests::listen();
    let tests = each(|number| {
        let test = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            let pool = runtime.block_on(async { lazy().named(NAME) });
            (runtime, pool)
        };
        let thread = thread::Builder::new().name(format!("tests::number_{number}"));
        thread.spawn(test).unwrap()
    });
    let pools: Vec<_> = tests.into_iter().map(|test| test.join().unwrap()).collect();
    compared().await;
    assert_none(&leash_tests::received(NAME));
    for (runtime, pool) in pools {
        runtime.shutdown_background();
        drop(pool);
    }
}

/// The tests of a program share the place where the harness makes their pools.
mod of_sqlx_test {
    use super::*;

    /// Keeps the pool until the others are there too.
    async fn meets<DB: Database>(pool: Pool<DB>) {
        let ((), found) = about(compared()).await;
        assert_none(&found);
        drop(pool);
    }

    macro_rules! tests {
        ($($test:ident)+) => {
            $(
                #[sqlx::test]
                async fn $test(pool: SqlitePool) {
                    meets(pool).await;
                }
            )+

            /// Whatever the order of the tests, none of their pools is told.
            #[tokio::test]
            async fn none_is_told() {
                leash_tests::listen();
                $(
                    let name = concat!("target/sqlx/test-dbs/findings/duplicates/silent/of_sqlx_test/", stringify!($test), ".sqlite");
                    assert_none(&leash_tests::received(name));
                )+
            }
        };
    }

    tests!(first second third fourth fifth);
}

/// Plain sqlx's pools were made elsewhere, perhaps in several places.
#[tokio::test]
async fn pools_of_plain_sqlx() {
    silent(async { each(|_| PgPool::from(plain_sqlx::PgPool::connect_lazy(URL).unwrap())) }).await;
}
