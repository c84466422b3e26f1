//! Every way to make a pool, and helpers between the program and the connect.

use leash_tests::support;
use sqlx::leash::{Finding, PoolExt};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AnyPool, MySqlPool, PgPool, SqlitePool, track};

use super::{TOO_MANY, URL, one_about};
use crate::common::{Place, marked};

/// What is found where `make` makes a pool one time too many.
async fn made_by<P>(make: impl AsyncFn() -> P) -> Finding {
    let make = async {
        let mut pools = Vec::new();
        for _ in 0..TOO_MANY {
            pools.push(Box::pin(make()).await);
        }
        pools
    };
    one_about(Box::pin(make)).await
}

#[track_caller]
fn check(found: &Finding, place: &Place, function: Option<&str>) {
    let all = found.render();
    assert_eq!(Place::from(&found.primary), *place, "{all}");
    assert_eq!(found.function.as_deref(), function, "{all}");
}

fn options() -> PgConnectOptions {
    URL.parse().unwrap()
}

#[tokio::test]
async fn lazily() {
    let found = made_by(async || {
        PgPool::connect_lazy(URL) // @pool connect_lazy
    })
    .await;
    let place = marked("pool connect_lazy", "PgPool::connect_lazy");
    check(&found, &place, Some("findings"));
    let found = made_by(async || {
        PgPool::connect_lazy_with(options()) // @pool connect_lazy_with
    })
    .await;
    let place = marked("pool connect_lazy_with", "PgPool::connect_lazy_with");
    check(&found, &place, Some("findings"));
    let found = made_by(async || {
        PgPoolOptions::new().connect_lazy_with(options()) // @connect_lazy_with
    })
    .await;
    let place = marked("connect_lazy_with", "connect_lazy_with");
    check(&found, &place, Some("findings"));
}

#[tokio::test]
async fn at_once() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        directory.path().join("once.db").display()
    );
    let found = made_by(async || {
        SqlitePool::connect(&url).await.unwrap() // @pool connect
    })
    .await;
    check(
        &found,
        &marked("pool connect", "SqlitePool::connect"),
        Some("findings"),
    );
    assert_eq!(found.facts[2].value, "4", "{}", found.render());
}

#[tokio::test]
async fn on_postgres() {
    let Some(db) = support::postgres().await else {
        return;
    };
    let found = made_by(async || {
        PgPool::connect(db.url()).await.unwrap() // @postgres
    })
    .await;
    let place = marked("postgres", "PgPool::connect");
    check(&found, &place, Some("findings"));
    assert_eq!(found.facts[2].value, "4", "{}", found.render());
}

#[tokio::test]
async fn on_mariadb() {
    let Some(db) = support::mysql().await else {
        return;
    };
    let found = made_by(async || {
        let options = MySqlPoolOptions::new().max_connections(2);
        options.connect(db.url()).await.unwrap() // @mariadb
    })
    .await;
    check(&found, &marked("mariadb", "connect"), Some("findings"));
}

#[tokio::test]
async fn through_any() {
    sqlx::any::install_default_drivers();
    let found = made_by(async || {
        AnyPool::connect_lazy(URL).unwrap() // @any
    })
    .await;
    let all = found.render();
    assert_eq!(
        Place::from(&found.primary),
        marked("any", "AnyPool::connect_lazy")
    );
    assert!(all.contains("OnceCell<AnyPool>"), "{all}");
}

/// A helper of the program's: its connect is the one place.
#[expect(clippy::unused_async, reason = "as a helper that connects at once")]
async fn helper() -> PgPool {
    PgPool::connect_lazy(URL).unwrap().named("of a helper") // @helper
}

#[track]
mod callers {
    use super::*;

    pub(super) async fn first() -> PgPool {
        helper().await
    }

    pub(super) async fn second() -> PgPool {
        helper().await
    }

    pub(super) async fn tracked_helper() -> PgPool {
        PgPool::connect_lazy(URL).unwrap() // @tracked helper
    }

    pub(super) async fn third() -> PgPool {
        tracked_helper().await
    }

    pub(super) async fn fourth() -> PgPool {
        tracked_helper().await
    }
}

/// The functions around the helper differ, so none of them is named.
#[tokio::test]
async fn a_helper_without_the_attribute() {
    let found = one_about(async {
        [
            callers::first().await,
            callers::second().await,
            helper().await,
            helper().await,
        ]
    })
    .await;
    check(&found, &marked("helper", "PgPool::connect_lazy"), None);
    assert!(
        found.title.starts_with("code at tests/"),
        "{}",
        found.render()
    );
}

#[tokio::test]
async fn a_helper_with_the_attribute() {
    let found = one_about(async {
        [
            callers::third().await,
            callers::fourth().await,
            callers::tracked_helper().await,
            callers::tracked_helper().await,
        ]
    })
    .await;
    let function = "findings::duplicates::ways::callers::tracked_helper";
    let place = marked("tracked helper", "PgPool::connect_lazy");
    check(&found, &place, Some(function));
}

/// sqlx's `#[track_caller]` is kept: a helper that has it passes on its caller's place.
#[tokio::test]
async fn a_helper_that_passes_on_its_callers_place() {
    #[track_caller]
    fn pool() -> MySqlPool {
        MySqlPool::connect_lazy("mysql://eye@127.0.0.1:1/shop").unwrap()
    }
    let found = made_by(async || {
        pool() // @passed on
    })
    .await;
    check(&found, &marked("passed on", "pool"), Some("findings"));
}
