//! PostgreSQL: limits of the server, of a role, of a database and of one connection.

use std::time::Duration;

use leash_tests::support::{self, Db};
use sqlx::any::AnyPoolOptions;
use sqlx::leash::{self, Check, Diagnosis, PoolExt};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool};

use super::{Unlimited, compares, helps, ok, unknown, warns};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A database of the test's own, and a role without privileges that no other test has.
pub(super) struct World {
    db: Db,
    admin: PgConnection,
    role: String,
    options: PgConnectOptions,
}

impl World {
    pub(super) async fn new() -> Option<Self> {
        let db = support::postgres().await?;
        let mut admin = PgConnection::connect(db.url()).await.unwrap();
        let role = db.name().to_owned();
        let text = format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'");
        admin.execute(AssertSqlSafe(text)).await.unwrap();
        let options: PgConnectOptions = db.url().parse().unwrap();
        Some(Self {
            options: options.username(&role).password("secret"),
            role,
            admin,
            db,
        })
    }

    /// Sends a statement, with the names of the role and the database for `ROLE` and `DATABASE`.
    async fn is_told(&mut self, statement: &str) {
        let text = statement
            .replace("ROLE_", &self.role)
            .replace("DATABASE_", self.db.name());
        self.admin.execute(AssertSqlSafe(text)).await.unwrap();
    }

    fn pool(&self, options: PgPoolOptions) -> PgPool {
        let pool = options.connect_lazy_with(self.options.clone());
        pool.named(self.role.clone())
    }

    async fn asked(&self, options: PgPoolOptions) -> Diagnosis {
        leash::doctor(&self.pool(options)).await
    }

    /// Removes the role, which would otherwise stay on a server that outlives the test.
    async fn ends(mut self) {
        self.is_told("ALTER DATABASE DATABASE_ CONNECTION LIMIT -1")
            .await;
        self.is_told("DROP ROLE ROLE_").await;
        self.admin.close().await.unwrap();
    }
}

#[tokio::test]
async fn nothing_to_change() {
    let Some(world) = World::new().await else {
        return;
    };
    let diagnosis = world.asked(PgPoolOptions::new()).await;
    let version = diagnosis.server.as_deref().unwrap();
    assert!(version.starts_with("PostgreSQL 1"), "{version}");
    assert_eq!(
        (&*diagnosis.pool, &*diagnosis.system),
        (&*world.role, "postgresql")
    );
    let names: Vec<_> = diagnosis.checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "connect",
            "idle_timeout",
            "test_before_acquire",
            "max_connections",
            "user_connections",
            "database_connections",
            "held_idle",
            "slow_query",
            "acquire_timeout",
            "pooler",
        ]
    );
    // Of the whole server, other tests have connections too.
    for check in diagnosis
        .checks
        .iter()
        .filter(|check| check.name != "max_connections")
    {
        ok(&diagnosis, check.name);
    }
    compares(ok(&diagnosis, "idle_timeout"), seconds(1200), Unlimited);
    compares(
        ok(&diagnosis, "held_idle"),
        leash_default("held_idle"),
        Unlimited,
    );
    compares(ok(&diagnosis, "user_connections"), 10, Unlimited);
    world.ends().await;
}

fn leash_default(lint: &str) -> Duration {
    match lint {
        "held_idle" => seconds(5),
        _ => seconds(1),
    }
}

#[tokio::test]
async fn an_idle_limit_of_the_role() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world
        .is_told("ALTER ROLE ROLE_ SET idle_session_timeout = '60s'")
        .await;
    let diagnosis = world.asked(PgPoolOptions::new()).await;
    let idle = warns(&diagnosis, "idle_timeout");
    compares(idle, seconds(1200), seconds(60));
    assert!(
        idle.text.contains("opens a new connection first"),
        "{}",
        idle.text
    );
    helps(
        idle,
        "`PgPoolOptions::idle_timeout(Duration::from_secs(24))`",
    );
    helps(
        idle,
        &format!(
            "`ALTER ROLE \"{}\" SET idle_session_timeout = '25min'`",
            world.role
        ),
    );
    ok(&diagnosis, "test_before_acquire");

    let unlooked = PgPoolOptions::new().test_before_acquire(false);
    let diagnosis = world.asked(unlooked.clone()).await;
    let idle = warns(&diagnosis, "idle_timeout");
    assert!(
        idle.text.contains("the next statement on it fails"),
        "{}",
        idle.text
    );
    let test = warns(&diagnosis, "test_before_acquire");
    compares(test, "off", seconds(60));
    helps(test, "`PgPoolOptions::test_before_acquire(true)`");

    // By the pool.
    let diagnosis = world
        .asked(unlooked.clone().idle_timeout(seconds(24)))
        .await;
    compares(ok(&diagnosis, "idle_timeout"), seconds(48), seconds(60));
    ok(&diagnosis, "test_before_acquire");
    // A pool that looks every 30 s may find a connection just too young.
    let diagnosis = world
        .asked(unlooked.clone().idle_timeout(seconds(30)))
        .await;
    compares(warns(&diagnosis, "idle_timeout"), seconds(60), seconds(60));
    // The lifetime alone does it, too.
    let old = unlooked
        .clone()
        .idle_timeout(None)
        .max_lifetime(seconds(20));
    let diagnosis = world.asked(old).await;
    compares(ok(&diagnosis, "idle_timeout"), seconds(40), seconds(60));
    let for_ever = unlooked.clone().idle_timeout(None).max_lifetime(None);
    let diagnosis = world.asked(for_ever).await;
    compares(warns(&diagnosis, "idle_timeout"), Unlimited, seconds(60));

    // By the server.
    world
        .is_told("ALTER ROLE ROLE_ SET idle_session_timeout = '25min'")
        .await;
    let diagnosis = world.asked(unlooked.clone()).await;
    compares(ok(&diagnosis, "idle_timeout"), seconds(1200), seconds(1500));
    world
        .is_told("ALTER ROLE ROLE_ RESET idle_session_timeout")
        .await;
    let diagnosis = world.asked(unlooked).await;
    compares(ok(&diagnosis, "test_before_acquire"), "off", Unlimited);
    world.ends().await;
}

#[tokio::test]
async fn the_value_of_the_session_counts() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world
        .is_told("ALTER DATABASE DATABASE_ SET idle_session_timeout = '90s'")
        .await;
    let diagnosis = world.asked(PgPoolOptions::new()).await;
    let idle = warns(&diagnosis, "idle_timeout");
    compares(idle, seconds(1200), seconds(90));
    assert!(
        idle.server
            .as_ref()
            .unwrap()
            .name
            .contains("set for the database"),
        "{idle:?}"
    );
    helps(idle, "ALTER DATABASE");

    world.options = world
        .options
        .clone()
        .options([("idle_session_timeout", "40s")]);
    let diagnosis = world.asked(PgPoolOptions::new()).await;
    let idle = warns(&diagnosis, "idle_timeout");
    compares(idle, seconds(1200), seconds(40));
    helps(
        idle,
        "PgConnectOptions::options([(\"idle_session_timeout\", \"25min\")])",
    );

    world.options = world
        .options
        .clone()
        .options([("idle_session_timeout", "0")]);
    let diagnosis = world.asked(PgPoolOptions::new()).await;
    compares(ok(&diagnosis, "idle_timeout"), seconds(1200), Unlimited);
    world.ends().await;
}

#[tokio::test]
async fn limits_below_those_of_the_lints() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world
        .is_told("ALTER ROLE ROLE_ SET idle_in_transaction_session_timeout = '2s'; ALTER ROLE ROLE_ SET statement_timeout = '300ms'")
        .await;
    let diagnosis = world.asked(PgPoolOptions::new()).await;
    let held = warns(&diagnosis, "held_idle");
    compares(held, seconds(5), seconds(2));
    helps(
        held,
        &format!("SQLX_LEASH=\"held_idle[{}]=1s\"", world.role),
    );
    helps(held, "SET idle_in_transaction_session_timeout = '7s'");
    let slow = warns(&diagnosis, "slow_query");
    compares(slow, seconds(1), Duration::from_millis(300));
    helps(slow, "=150ms\"");
    helps(slow, "SET statement_timeout = '2s'");

    world
        .is_told("ALTER ROLE ROLE_ SET idle_in_transaction_session_timeout = '7s'; ALTER ROLE ROLE_ SET statement_timeout = '1s'")
        .await;
    let diagnosis = world.asked(PgPoolOptions::new()).await;
    compares(ok(&diagnosis, "held_idle"), seconds(5), seconds(7));
    compares(ok(&diagnosis, "slow_query"), seconds(1), seconds(1));
    world.ends().await;
}

#[tokio::test]
async fn connections_of_the_role_and_the_database() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.is_told("ALTER ROLE ROLE_ CONNECTION LIMIT 7").await;
    world
        .is_told("ALTER DATABASE DATABASE_ CONNECTION LIMIT 8")
        .await;
    let eight = PgPoolOptions::new().max_connections(8);
    let diagnosis = world.asked(eight.clone()).await;
    let of_user = warns(&diagnosis, "user_connections");
    compares(of_user, 8, 7);
    helps(of_user, "`PgPoolOptions::max_connections(7)`");
    helps(
        of_user,
        &format!("`ALTER ROLE \"{}\" CONNECTION LIMIT 8`", world.role),
    );
    // The administrator has one.
    let to_database = warns(&diagnosis, "database_connections");
    compares(to_database, 8, 8);
    assert!(
        to_database.text.contains("others have 1 open now"),
        "{}",
        to_database.text
    );
    helps(to_database, "CONNECTION LIMIT 9`");

    let diagnosis = world.asked(eight.clone().max_connections(7)).await;
    compares(ok(&diagnosis, "user_connections"), 7, 7);
    compares(ok(&diagnosis, "database_connections"), 7, 8);

    // Two pools want as much as one of their sum, and their open connections are no others.
    let (one, other) = (
        world.pool(eight.clone().max_connections(3)),
        world.pool(eight.max_connections(4)),
    );
    let held = one.acquire().await.unwrap();
    let diagnosis = leash::doctor(&other).await;
    let of_user = ok(&diagnosis, "user_connections");
    compares(of_user, 7, 7);
    assert!(
        of_user.program.as_ref().unwrap().name.contains("2 pools"),
        "{of_user:?}"
    );
    assert!(
        of_user.text.contains("others have 0 open now"),
        "{}",
        of_user.text
    );
    drop(held);
    // Neither a closed one nor one of another role counts.
    one.close().await;
    compares(ok(&leash::doctor(&other).await, "user_connections"), 4, 7);
    let of_admin = PgPoolOptions::new().connect_lazy(world.db.url()).unwrap();
    let diagnosis = leash::doctor(&other).await;
    compares(ok(&diagnosis, "user_connections"), 4, 7);
    compares(warns(&diagnosis, "database_connections"), 14, 8);
    // The limits do not hold for a superuser.
    let diagnosis = leash::doctor(&of_admin).await;
    compares(ok(&diagnosis, "database_connections"), 14, Unlimited);
    drop((other, of_admin));
    world.ends().await;
}

#[tokio::test]
async fn connections_of_the_server() {
    let Some(server) = support::own_postgres().await else {
        return;
    };
    let pool = |max| {
        PgPoolOptions::new()
            .max_connections(max)
            .connect_lazy(server.url())
            .unwrap()
    };
    let diagnosis = leash::doctor(&pool(400)).await;
    let connections = warns(&diagnosis, "max_connections");
    compares(connections, 400, 300);
    helps(connections, "`PgPoolOptions::max_connections(300)`");
    let mut admin = PgConnection::connect(server.url()).await.unwrap();
    admin.execute("CREATE ROLE clerk LOGIN").await.unwrap();
    // A role without privileges gets no reserved one.
    let options: PgConnectOptions = server.url().parse().unwrap();
    let pool = |max| {
        let pool = PgPoolOptions::new().max_connections(max);
        pool.connect_lazy_with(options.clone().username("clerk"))
    };
    let diagnosis = leash::doctor(&pool(298)).await;
    let connections = warns(&diagnosis, "max_connections");
    compares(connections, 298, 297);
    helps(connections, "`ALTER SYSTEM SET max_connections = 301`");
    let diagnosis = leash::doctor(&pool(297)).await;
    let connections = warns(&diagnosis, "max_connections");
    assert!(
        connections.text.contains("others have 1 open now"),
        "{}",
        connections.text
    );
    admin.close().await.unwrap();
    let pool = pool(99);
    let diagnosis = leash::doctor(&pool).await;
    let connections = ok(&diagnosis, "max_connections");
    assert!(
        connections.text.contains("2 further instances"),
        "{}",
        connections.text
    );
}

#[tokio::test]
async fn a_longer_statement_than_an_acquire_waits() {
    let Some(world) = World::new().await else {
        return;
    };
    let options = PgPoolOptions::new().acquire_timeout(seconds(1));
    let (pool, other) = (world.pool(options.clone()), world.pool(options));
    compares_nothing(ok(&leash::doctor(&pool).await, "acquire_timeout"));
    sqlx::query("SELECT pg_sleep(1.1)")
        .execute(&pool)
        .await
        .unwrap();
    let diagnosis = leash::doctor(&pool).await;
    let timeout = warns(&diagnosis, "acquire_timeout");
    assert!(timeout.text.starts_with("`SELECT"), "{}", timeout.text);
    helps(
        timeout,
        "`PgPoolOptions::acquire_timeout(Duration::from_secs(2))`",
    );
    compares_nothing(ok(&leash::doctor(&other).await, "acquire_timeout"));
    drop((pool, other));
    world.ends().await;
}

fn compares_nothing(check: &Check) {
    assert_eq!(check.server, None);
}

#[tokio::test]
async fn a_server_that_refuses_questions() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world
        .is_told("REVOKE SELECT ON pg_stat_activity FROM PUBLIC")
        .await;
    world.is_told("ALTER ROLE ROLE_ CONNECTION LIMIT 3").await;
    let diagnosis = world.asked(PgPoolOptions::new().max_connections(3)).await;
    let of_user = unknown(&diagnosis, "user_connections");
    assert!(
        of_user.text.contains("permission denied"),
        "{}",
        of_user.text
    );
    // What was not refused is known, and a limit that is too low is so without the number in use.
    compares(of_user, 3, 3);
    ok(&diagnosis, "idle_timeout");
    ok(&diagnosis, "database_connections");
    let diagnosis = world.asked(PgPoolOptions::new().max_connections(4)).await;
    compares(warns(&diagnosis, "user_connections"), 4, 3);

    world
        .is_told("REVOKE SELECT ON pg_settings FROM PUBLIC")
        .await;
    world.is_told("REVOKE SELECT ON pg_roles FROM PUBLIC").await;
    world
        .is_told("REVOKE SELECT ON pg_database FROM PUBLIC")
        .await;
    let diagnosis = world.asked(PgPoolOptions::new()).await;
    for name in [
        "idle_timeout",
        "max_connections",
        "user_connections",
        "database_connections",
        "held_idle",
        "slow_query",
    ] {
        let text = &unknown(&diagnosis, name).text;
        assert!(text.contains("permission denied for"), "{name}: {text}");
    }
    for name in [
        "connect",
        "test_before_acquire",
        "acquire_timeout",
        "pooler",
    ] {
        ok(&diagnosis, name);
    }
    assert_eq!(diagnosis.server, None);
    world.ends().await;
}

#[tokio::test]
async fn a_role_without_a_connection_left() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.is_told("ALTER ROLE ROLE_ CONNECTION LIMIT 1").await;
    let held = world.options.connect().await.unwrap();
    let diagnosis = world.asked(PgPoolOptions::new()).await;
    unknown(&diagnosis, "connect");
    let connections = warns(&diagnosis, "max_connections");
    assert!(
        connections.text.contains("too many connections for role"),
        "{}",
        connections.text
    );
    unknown(&diagnosis, "idle_timeout");
    held.close().await.unwrap();
    world.ends().await;
}

#[tokio::test]
async fn behind_any() {
    sqlx::any::install_default_drivers();
    let Some(mut world) = World::new().await else {
        return;
    };
    world.is_told("ALTER ROLE ROLE_ SET idle_session_timeout = '60s'; ALTER ROLE ROLE_ CONNECTION LIMIT 2").await;
    let url = world.options.to_url_lossy().to_string();
    let pool = AnyPoolOptions::new().connect_lazy(&url).unwrap();
    let diagnosis = leash::doctor(&pool).await;
    helps(
        warns(&diagnosis, "idle_timeout"),
        "`AnyPoolOptions::idle_timeout(Duration::from_secs(24))`",
    );
    compares(warns(&diagnosis, "user_connections"), 10, 2);
    ok(&diagnosis, "held_idle");
    drop(pool);
    world.ends().await;
}
