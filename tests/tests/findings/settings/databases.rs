//! Which databases are in memory, and which of them the connections of a pool share: the driver opens each form, and the
//! finding must say what the driver does.

use sqlx::any::AnyConnectOptions;
use sqlx::leash::Backend;
use sqlx::leash::testing::findings;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{Any, Connection, Pool, Sqlite};

use super::memory;
use crate::common::rendered;

/// What the connections of a pool have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Has {
    /// Each connection has a database of its own.
    Own,
    /// One database, which ends with the last connection.
    Shared,
    /// One database, which outlives the connections.
    File,
}

type Options<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

/// What the driver does with two connections, which are then closed.
async fn opened<DB: Backend>(options: &Options<DB>) -> Has {
    let pool: Pool<DB> = PoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone())
        .await
        .unwrap();
    let (mut one, mut other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let create = sqlx::raw_sql("CREATE TABLE probe (id INTEGER)");
    create.execute(&mut *one).await.unwrap();
    let probe = || sqlx::raw_sql("SELECT count(*) FROM probe");
    if probe().execute(&mut *other).await.is_err() {
        return Has::Own;
    }
    one.close().await.unwrap();
    other.close().await.unwrap();
    match probe().execute(&pool).await {
        Ok(_) => Has::File,
        Err(_) => Has::Shared,
    }
}

/// What the finding says of a pool with these options and sqlx's timeouts.
async fn said<DB: Backend>(options: &Options<DB>) -> Has {
    let make = async { PoolOptions::<DB>::new().connect_lazy_with(options.clone()) };
    let (_pool, found) = findings(make).await;
    match &*found {
        [] => Has::File,
        [own] if own.title.contains("database of its own") => Has::Own,
        [last] if last.title.contains("the last connection") => Has::Shared,
        _ => panic!("{}", rendered(&found)),
    }
}

async fn check<DB: Backend>(what: &str, options: &Options<DB>, expected: Has) {
    assert_eq!(opened::<DB>(options).await, expected, "opened: {what}");
    assert_eq!(said::<DB>(options).await, expected, "said: {what}");
}

#[tokio::test]
async fn urls() {
    sqlx::any::install_default_drivers();
    // The last is what a pool for any database has, which reads the URL anew for each connection.
    for (url, expected, of_any) in [
        ("sqlite::memory:", Has::Shared, Has::Own),
        ("sqlite::memory:?cache=shared", Has::Shared, Has::Own),
        ("sqlite::memory:?cache=private", Has::Own, Has::Own),
        ("sqlite:?mode=memory", Has::Own, Has::Own),
        ("sqlite://?mode=memory&cache=private", Has::Own, Has::Own),
        ("sqlite:", Has::Own, Has::Own),
        ("sqlite:url1?mode=memory", Has::Own, Has::Own),
        ("sqlite://url2?mode=memory&cache=shared", Has::Own, Has::Own),
        (
            "sqlite://url3?mode=memory&cache=private",
            Has::Own,
            Has::Own,
        ),
        ("sqlite:file:url4?mode=memory", Has::Shared, Has::Shared),
        (
            "sqlite:file::memory:?cache=shared",
            Has::Shared,
            Has::Shared,
        ),
        ("sqlite:file::memory:", Has::Own, Has::Own),
        (
            "sqlite:///url5?vfs=memdb&mode=rwc",
            Has::Shared,
            Has::Shared,
        ),
        ("sqlite://url6?vfs=memdb&mode=rwc", Has::Own, Has::Own),
    ] {
        check::<Sqlite>(url, &url.parse().unwrap(), expected).await;
        let any: AnyConnectOptions = url.parse().unwrap();
        check::<Any>(&format!("{url}, any"), &any, of_any).await;
    }
    // No URL for any database has this form.
    let colon = "sqlite://:memory:";
    check::<Sqlite>(colon, &colon.parse().unwrap(), Has::Shared).await;
}

#[tokio::test]
async fn options() {
    let named = |name: &str| SqliteConnectOptions::new().filename(name);
    for (options, expected) in [
        (SqliteConnectOptions::new(), Has::Own),
        (memory(), Has::Own),
        (memory().in_memory(true), Has::Own),
        (memory().shared_cache(true), Has::Own),
        (memory().immutable(true), Has::Own),
        (memory().immutable(true).shared_cache(true), Has::Shared),
        (memory().foreign_keys(false), Has::Own),
        (named(""), Has::Own),
        (named("").in_memory(true).shared_cache(true), Has::Own),
        (named("option1").in_memory(true), Has::Own),
        (
            named("option2").in_memory(true).shared_cache(true),
            Has::Own,
        ),
        (named("file:option3?mode=memory&cache=shared"), Has::Shared),
        (named("file:option4?mode=memory"), Has::Own),
        (
            named("file:option5?mode=memory#?mode=rwc").shared_cache(true),
            Has::Shared,
        ),
        (named("file::memory:?cache=shared"), Has::Shared),
        (
            named("file::memory:?cache=private").shared_cache(true),
            Has::Own,
        ),
        (named("file:/option6?vfs=memdb"), Has::Shared),
        (named("/option7").vfs("memdb"), Has::Shared),
        (named("option8").vfs("memdb"), Has::Own),
    ] {
        check::<Sqlite>(&format!("{options:?}"), &options, expected).await;
    }
}

#[tokio::test]
async fn files() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let file = |name: &str| {
        let options = SqliteConnectOptions::new().filename(path(name));
        options.create_if_missing(true)
    };
    for options in [
        file("plain"),
        file("a name: with [all] kinds, of?characters#"),
        file("wal").journal_mode(SqliteJournalMode::Wal),
        file("shared").shared_cache(true),
        file("vfs").vfs("unix"),
        file(":memory:"),
        file("").filename(format!("file:{}?mode=rwc", path("uri"))),
        file("").filename(format!("file://{}?mode=rwc&cache=shared", path("uri2"))),
    ] {
        check::<Sqlite>(&format!("{options:?}"), &options, Has::File).await;
    }
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode=rwc", path("any"));
    check::<Any>(&url, &url.parse().unwrap(), Has::File).await;
}
