//! Without `track`, sqlx-leash is sqlx.

use std::any::TypeId;
use std::process::Command;

use sqlx::leash::{self, HandleExt as _, PoolExt as _, ScopeExt as _};
use sqlx::{Acquire as _, SqlitePool, track};

fn check_same<Ours: 'static, Plain: 'static>() {
    assert_eq!(
        TypeId::of::<Ours>(),
        TypeId::of::<Plain>(),
        "{} is not {}",
        std::any::type_name::<Ours>(),
        std::any::type_name::<Plain>()
    );
}

macro_rules! same {
    ($($($path:ident)::+ $(<$($argument:ty),+>)?),+ $(,)?) => {
        $(check_same::<sqlx::$($path)::+ $(<$($argument),+>)?, plain::$($path)::+ $(<$($argument),+>)?>();)+
    };
}

#[test]
fn every_type_is_sqlx_s() {
    same!(
        SqlitePool,
        PgPool,
        MySqlPool,
        AnyPool,
        Pool<plain::Sqlite>,
        pool::PoolConnection<plain::Sqlite>,
        pool::PoolConnection<plain::Postgres>,
        pool::PoolOptions<plain::Sqlite>,
        pool::PoolOptions<plain::MySql>,
        sqlite::SqlitePoolOptions,
        postgres::PgPoolOptions,
        mysql::MySqlPoolOptions,
        any::AnyPoolOptions,
        postgres::PgListener,
        postgres::PgCopyIn<plain::pool::PoolConnection<plain::Postgres>>,
        SqliteConnection,
        PgConnection,
        MySqlConnection,
        AnyConnection,
        Error,
    );
    check_same::<
        sqlx::Transaction<'static, sqlx::Sqlite>,
        plain::Transaction<'static, plain::Sqlite>,
    >();
    check_same::<sqlx::SqliteTransaction<'static>, plain::SqliteTransaction<'static>>();
    check_same::<leash::Conn<'static, sqlx::Sqlite>, plain::SqliteConnection>();
}

/// Takes a bound of plain sqlx's and gives it to one of ours: the traits are the same as well.
fn traits_are_sqlx_s<'c, A: plain::Acquire<'c>, C: plain::Connection, E: plain::Executor<'c>>() {
    fn ours<'c, A: sqlx::Acquire<'c>, C: sqlx::Connection, E: sqlx::Executor<'c>>() {}
    ours::<A, C, E>();
}

#[test]
fn every_trait_is_sqlx_s() {
    traits_are_sqlx_s::<&plain::SqlitePool, plain::SqliteConnection, &plain::SqlitePool>();
}

#[derive(Clone)]
struct Repo {
    pool: SqlitePool,
}

impl Repo {
    async fn find(&self, id: i64) -> sqlx::Result<i64> {
        let mut tx = self.pool.begin().await?;
        let found = sqlx::query_scalar("SELECT ?")
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(found)
    }
}

struct Tracked(Repo);

#[track(max_queries = 3, held_idle = "60s")]
impl Tracked {
    async fn find(&self, id: i64) -> sqlx::Result<i64> {
        let mut tx = self.0.pool.begin().await?;
        let found = sqlx::query_scalar("SELECT ?")
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(found)
    }
}

#[tokio::test]
async fn tracked_futures_have_the_size_of_untracked_ones() {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let repo = Repo { pool };
    let tracked = Tracked(repo.clone());
    assert_eq!(size_of_val(&tracked.find(1)), size_of_val(&repo.find(1)));
    assert_eq!(tracked.find(7).await.unwrap(), repo.find(7).await.unwrap());

    let future = repo.find(1);
    let size = size_of_val(&future);
    assert_eq!(size_of_val(&leash::scope("find", future)), size);
    assert_eq!(size_of_val(&repo.find(1).in_current_scope()), size);
}

fn generic_over_the_database<DB: leash::Backend>(pool: sqlx::Pool<DB>) -> sqlx::Pool<DB> {
    pool
}

#[tokio::test]
async fn every_name_is_there() {
    let pool: plain::SqlitePool = plain::SqlitePool::connect("sqlite::memory:").await.unwrap();
    let pool = generic_over_the_database(SqlitePool::from(pool)).named("clinic");
    assert!(std::ptr::eq(pool.as_sqlx(), &raw const pool));
    let conn = pool.acquire().await.unwrap().long_lived("a listener");
    drop(conn);
    let mut tx = pool.begin().await.unwrap().long_lived("a batch");
    let inner = (&mut tx).begin().await.unwrap().long_lived("a savepoint");
    inner.commit().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(leash::scope("answer", async { 42 }).await, 42);
    assert_eq!(async { 42 }.in_current_scope().await, 42);

    let config: leash::Config = leash::Config::new();
    let parsed: Result<leash::Config, leash::ConfigError> = leash::Config::from_env();
    assert!(parsed.is_ok());
    config
        .level(leash::Lint::OutlivedScope, leash::Level::Warn)
        .print_to_stderr()
        .print_to_file("/nowhere/to/be/found.txt")
        .fail_on_likely(true)
        .install();
    leash::on_finding(|finding: &leash::Finding| panic!("{finding}"));
    assert!(leash::explain(leash::Lint::OutlivedScope).contains("outlived_scope"));
    let snapshot: leash::Snapshot = leash::snapshot();
    assert!(snapshot.sites.is_empty() && snapshot.handles.is_empty() && snapshot.pools.is_empty());
    assert!(snapshot.by_site().is_empty());
    let diagnosis: leash::Diagnosis = leash::doctor(&pool).await;
    assert!(diagnosis.checks.is_empty() && diagnosis.to_string().contains("`track` is off"));
    let metrics: String = leash::prometheus();
    assert!(metrics.lines().all(|line| line.starts_with("# ")));
    leash::Config::new().metrics_sites(true).install();
    let health: leash::Health = leash::health();
    assert_eq!(health.status, leash::HealthStatus::Unknown);
    assert!(health.components.is_empty() && health.to_string().contains("`track` is off"));
    assert_eq!(
        (health.http_status(), health.strict().http_status()),
        (200, 200)
    );
    leash::spawn_reporter();
    leash::report();
}

/// Says why it panics, so that nobody takes the panic for a fault.
async fn panics<F: Future>(future: F) -> String {
    let Err(panic) = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(future)).await
    else {
        panic!("passed, although nothing is counted")
    };
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap()
}

#[tokio::test]
async fn test_helpers_panic_and_say_why() {
    let said = [
        panics(async { leash::testing::counting(async {}).await }).await,
        panics(async { leash::testing::findings(async {}).await }).await,
        panics(async { leash::testing::statements(async {}).await }).await,
        panics(async { leash::testing::constant_queries([2, 20], async |_: i64| {}).await }).await,
        panics(async { leash::testing::assert_queries!(0, async {}) }).await,
        panics(async { leash::testing::assert_queries!(..=2, async {}) }).await,
        panics(async { leash::testing::assert_queries!(2.., async {}) }).await,
        panics(async { leash::testing::assert_clean!(async {}) }).await,
    ];
    for said in said {
        assert!(said.contains("`track` is off"), "{said}");
    }
    assert_eq!(leash::testing::fixture(async { 3 }).await, 3);
    let empty = leash::testing::Statements::default();
    assert_eq!((empty.calls(), empty.rows.len()), (0, 0));
}

#[test]
fn no_dependency_but_sqlx_and_the_macro_crate() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package",
            "corpus-off",
            "--edges",
            "normal",
            "--depth",
            "2",
            "--prefix",
            "depth",
            "--format",
            " {p}",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.strip_prefix("2 ")?.split(' ').next())
        .collect();
    assert_eq!(names, ["sqlx", "sqlx-leash-macros"], "{tree}");
}
