//! Returns that hang because a server has gone silent, and the effect of `return_timeout`.

use std::time::Duration;

use leash_tests::{Cut, Fate, Proxy};
use sqlx::leash::{self, Certainty, Level, Lint};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Database, MySql, Pool, Postgres, track};

use crate::common::{
    Lines, Place, Says, TestPool, assert_none, in_child_under, marked, only, received, reported,
    until, watched,
};

async fn postgres(name: &str) -> Option<(leash_test_support::Db, Proxy, TestPool<Postgres>)> {
    let db = leash_test_support::postgres().await?;
    let options: PgConnectOptions = db.url().parse().unwrap();
    let proxy = Proxy::to(options.get_host(), options.get_port());
    let options = options.host("127.0.0.1").port(proxy.address.port());
    let pool = PgPoolOptions::new().max_connections(2);
    let pool = pool.connect_with(options).await.unwrap(); // @connected
    Some((db, proxy, TestPool::of(pool).called(name)))
}

async fn mariadb(name: &str) -> Option<(leash_test_support::Db, Proxy, TestPool<MySql>)> {
    let db = leash_test_support::mysql().await?;
    let options: MySqlConnectOptions = db.url().parse().unwrap();
    let proxy = Proxy::to(options.get_host(), options.get_port());
    let options = options.host("127.0.0.1").port(proxy.address.port());
    let pool = MySqlPoolOptions::new().max_connections(2);
    let pool = pool.connect_with(options).await.unwrap();
    Some((db, proxy, TestPool::of(pool).called(name)))
}

#[track]
async fn gives_back<DB: Database>(pool: &Pool<DB>, proxy: &Proxy) {
    let conn = pool.acquire().await.unwrap(); // @given back
    proxy.treats(Fate::Swallowed);
    drop(conn);
}

#[track]
async fn drops_a_transaction<DB: Database>(pool: &Pool<DB>, proxy: &Proxy) {
    let tx = pool.begin().await.unwrap(); // @transaction given back
    proxy.treats(Fate::Swallowed);
    drop(tx);
}

/// Asserts that the pool serves exactly its maximum number of connections.
async fn serves_all<DB: Database>(pool: &Pool<DB>) {
    let mut all = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        let taken = tokio::time::timeout(Duration::from_secs(20), pool.acquire()).await;
        all.push(taken.expect("a permit is free").unwrap());
    }
    assert!(pool.try_acquire().is_none(), "no further permit");
}

/// A return that hangs is cut, and its permit is free again.
async fn bounded<DB: Database>(proxy: &Proxy, pool: &TestPool<DB>, lines: &Lines) {
    let name = pool.name();
    gives_back(pool, proxy).await;
    assert_eq!(pool.stats().returning, 1);
    until("the return is cut", || pool.stats().returns_cut == 1).await;
    until("the permit is free again", || pool.stats().returning == 0).await;
    serves_all(pool).await;

    drops_a_transaction(pool, proxy).await;
    until("the return is cut again", || pool.stats().returns_cut >= 2).await;
    // The idle connections are silent as well. sqlx detects that when it takes them.
    proxy.treats(Fate::Cut(Cut::Closed));
    serves_all(pool).await;
    until("all are returned", || pool.stats().returning == 0).await;
    assert_none(&received(name));
    let line = format!(
        "WARN pool {name}: a connection was closed, because its return took longer than 300 ms; its permit is free again"
    );
    until("the cut is logged", || {
        lines.of("sqlx_leash::pool").contains(&line)
    })
    .await;
}

#[test]
fn a_return_that_hangs_is_cut() {
    let environment = "return_timeout=300ms,unaccounted_connections=10s";
    let _ = in_child_under(
        "returns::a_return_that_hangs_is_cut",
        environment,
        |runtime| {
            let lines = Lines::of_process();
            runtime.block_on(async {
                if let Some((_db, proxy, pool)) = postgres("pg").await {
                    bounded(&proxy, &pool, &lines).await;
                }
                if let Some((_db, proxy, pool)) = mariadb("maria").await {
                    bounded(&proxy, &pool, &lines).await;
                }
            });
        },
    );
}

#[test]
fn code_sets_the_limit_of_a_return() {
    let _ = in_child_under("returns::code_sets_the_limit_of_a_return", "", |runtime| {
        leash::Config::new()
            .return_timeout(Duration::from_millis(300))
            .install();
        let lines = Lines::of_process();
        runtime.block_on(async {
            if let Some((_db, proxy, pool)) = postgres("pg").await {
                bounded(&proxy, &pool, &lines).await;
            }
        });
    });
}

/// Without a `return_timeout`, the finding names the return that hangs.
async fn unbounded<DB: Database>(proxy: &Proxy, pool: &TestPool<DB>, lines: &Lines) {
    let name = pool.name();
    gives_back(pool, proxy).await;
    reported(name, Lint::UnaccountedConnections, 1).await;
    watched().await;
    let found = only(received(name));
    Says {
        lint: Lint::UnaccountedConnections,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: marked("given back", "acquire"),
        function: Some("findings::returns::gives_back"),
        title: &[
            "a connection of pool",
            "ago, and its permit is not free yet",
        ],
        related: &[],
        facts: &[
            "returning for",
            "returns that hang 1",
            "permits held 0 of 2",
        ],
        help: &[
            "return_timeout(Duration::from_secs(10))",
            "SQLX_LEASH=\"return_timeout=10s\"",
        ],
    }
    .check(&found);
    assert!(
        found.cause.starts_with("the return hangs"),
        "{}",
        found.cause
    );
    assert_eq!(pool.stats().returns_cut, 0);
    let permits = (pool.acquire().await.unwrap(), pool.try_acquire());
    assert!(permits.1.is_none(), "its permit is not free");
    drop(permits);
    proxy.treats(Fate::Cut(Cut::Closed));
    let line = format!("INFO pool {name} has recovered: every permit is accounted for again");
    until("the pool has recovered", || {
        lines.of("sqlx_leash::pool").contains(&line)
    })
    .await;
    serves_all(pool).await;
}

#[test]
fn without_a_limit_the_finding_names_the_hanging_return() {
    let test = "returns::without_a_limit_the_finding_names_the_hanging_return";
    let _ = in_child_under(
        test,
        "unaccounted_connections=500ms,pool_pressure=allow",
        |runtime| {
            let lines = Lines::of_process();
            runtime.block_on(async {
                if let Some((_db, proxy, pool)) = postgres("pg").await {
                    unbounded(&proxy, &pool, &lines).await;
                }
                if let Some((_db, proxy, pool)) = mariadb("maria").await {
                    unbounded(&proxy, &pool, &lines).await;
                }
            });
        },
    );
}

#[test]
fn a_return_by_sqlx_itself_is_no_untracked_use() {
    let test = "returns::a_return_by_sqlx_itself_is_no_untracked_use";
    let _ = in_child_under(test, "unaccounted_connections=500ms", |runtime| {
        runtime.block_on(async {
            let Some((_db, proxy, pool)) = postgres("pg").await else {
                return;
            };
            let listener = PgListener::connect_with(&pool).await.unwrap();
            proxy.treats(Fate::Swallowed);
            drop(listener);
            let _conn = pool.acquire().await.unwrap();
            reported("pg", Lint::UnaccountedConnections, 1).await;
            let found = only(received("pg"));
            assert_eq!(found.certainty, Certainty::Likely);
            assert_eq!(
                Place::from(&found.primary),
                marked("connected", "connect_with")
            );
            assert!(
                found
                    .cause
                    .starts_with("it looks like a connection that hangs"),
                "{}",
                found.cause
            );
        });
    });
}

#[tokio::test]
async fn a_short_return_is_not_reported() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let pool = PgPoolOptions::new().connect(db.url()).await.unwrap();
    let pool = TestPool::of(pool);
    for _ in 0..50 {
        drop(pool.begin().await.unwrap());
    }
    watched().await;
    assert_none(&received(pool.name()));
}
