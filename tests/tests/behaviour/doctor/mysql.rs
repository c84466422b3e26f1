//! MariaDB: limits of the server, of an account and of one session.

use std::time::Duration;

use leash_tests::support::{self, OwnServer};
use sqlx::any::AnyPoolOptions;
use sqlx::leash::{self, Diagnosis};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

use super::{Unlimited, compares, helps, ok, warns};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A server of the test's own: its settings hold for all of it.
struct World {
    server: OwnServer,
    admin: MySqlConnection,
}

impl World {
    async fn new() -> Option<Self> {
        let server = support::own_mysql().await?;
        let mut admin = MySqlConnection::connect(server.url()).await.unwrap();
        admin
            .execute("CREATE USER clerk@'127.0.0.1' WITH MAX_USER_CONNECTIONS 7")
            .await
            .unwrap();
        admin
            .execute("CREATE USER nurse@'127.0.0.1'")
            .await
            .unwrap();
        Some(Self { server, admin })
    }

    async fn is_told(&mut self, statement: &'static str) {
        self.admin.execute(AssertSqlSafe(statement)).await.unwrap();
    }

    async fn asked(&self, user: &str, options: MySqlPoolOptions) -> Diagnosis {
        let at: MySqlConnectOptions = self.server.url().parse().unwrap();
        let at = at.username(user).database("information_schema");
        leash::doctor(&options.connect_lazy_with(at)).await
    }
}

#[tokio::test]
async fn each_limit() {
    let Some(mut world) = World::new().await else {
        return;
    };
    nothing_to_change(&world).await;
    idle(&mut world).await;
    lints(&mut world).await;
    connections(&mut world).await;
    behind_any(&mut world).await;
}

async fn nothing_to_change(world: &World) {
    let diagnosis = world.asked("nurse", MySqlPoolOptions::new()).await;
    let version = diagnosis.server.as_deref().unwrap();
    assert!(version.starts_with("MariaDB 1"), "{version}");
    let names: Vec<_> = diagnosis.checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "connect",
            "idle_timeout",
            "test_before_acquire",
            "max_connections",
            "user_connections",
            "held_idle",
            "slow_query",
            "acquire_timeout",
            "pooler",
        ]
    );
    for name in names {
        ok(&diagnosis, name);
    }
    compares(
        ok(&diagnosis, "idle_timeout"),
        seconds(1200),
        seconds(28_800),
    );
    compares(ok(&diagnosis, "max_connections"), 10, 300);
    compares(ok(&diagnosis, "user_connections"), 10, Unlimited);
}

async fn idle(world: &mut World) {
    world.is_told("SET GLOBAL wait_timeout = 60").await;
    let diagnosis = world.asked("nurse", MySqlPoolOptions::new()).await;
    let idle = warns(&diagnosis, "idle_timeout");
    compares(idle, seconds(1200), seconds(60));
    helps(
        idle,
        "`MySqlPoolOptions::idle_timeout(Duration::from_secs(24))`",
    );
    helps(idle, "`SET GLOBAL wait_timeout = 1500`");
    let unlooked = MySqlPoolOptions::new().test_before_acquire(false);
    let diagnosis = world.asked("nurse", unlooked.clone()).await;
    compares(warns(&diagnosis, "test_before_acquire"), "off", seconds(60));
    let diagnosis = world
        .asked("nurse", unlooked.idle_timeout(seconds(24)))
        .await;
    compares(ok(&diagnosis, "idle_timeout"), seconds(48), seconds(60));
    ok(&diagnosis, "test_before_acquire");
    world.is_told("SET GLOBAL wait_timeout = 1500").await;
    let diagnosis = world.asked("nurse", MySqlPoolOptions::new()).await;
    ok(&diagnosis, "idle_timeout");
    // The session's own value.
    world
        .is_told("SET GLOBAL init_connect = 'SET wait_timeout = 30'")
        .await;
    let diagnosis = world.asked("nurse", MySqlPoolOptions::new()).await;
    compares(
        warns(&diagnosis, "idle_timeout"),
        seconds(1200),
        seconds(30),
    );
    world.is_told("SET GLOBAL init_connect = ''").await;
}

async fn lints(world: &mut World) {
    world
        .is_told("SET GLOBAL idle_transaction_timeout = 4")
        .await;
    world
        .is_told("SET GLOBAL idle_write_transaction_timeout = 2")
        .await;
    world.is_told("SET GLOBAL max_statement_time = 0.5").await;
    let diagnosis = world.asked("nurse", MySqlPoolOptions::new()).await;
    let held = warns(&diagnosis, "held_idle");
    compares(held, seconds(5), seconds(2));
    helps(held, "`SET GLOBAL idle_write_transaction_timeout = 7`");
    let slow = warns(&diagnosis, "slow_query");
    compares(slow, seconds(1), Duration::from_millis(500));
    helps(slow, "`SET GLOBAL max_statement_time = 2`");
    world
        .is_told("SET GLOBAL idle_transaction_timeout = 0")
        .await;
    world
        .is_told("SET GLOBAL idle_write_transaction_timeout = 7")
        .await;
    world.is_told("SET GLOBAL max_statement_time = 2").await;
    let diagnosis = world.asked("nurse", MySqlPoolOptions::new()).await;
    compares(ok(&diagnosis, "held_idle"), seconds(5), seconds(7));
    compares(ok(&diagnosis, "slow_query"), seconds(1), seconds(2));
}

async fn connections(world: &mut World) {
    let diagnosis = world.asked("clerk", MySqlPoolOptions::new()).await;
    let of_user = warns(&diagnosis, "user_connections");
    compares(of_user, 10, 7);
    helps(of_user, "`MySqlPoolOptions::max_connections(7)`");
    helps(
        of_user,
        "`ALTER USER 'clerk'@'127.0.0.1' WITH MAX_USER_CONNECTIONS 10`",
    );
    let diagnosis = world
        .asked("clerk", MySqlPoolOptions::new().max_connections(7))
        .await;
    compares(ok(&diagnosis, "user_connections"), 7, 7);

    world.is_told("SET GLOBAL max_connections = 12").await;
    let diagnosis = world
        .asked("nurse", MySqlPoolOptions::new().max_connections(12))
        .await;
    let connections = warns(&diagnosis, "max_connections");
    compares(connections, 12, 12);
    assert!(
        connections.text.contains("others have 1 open now"),
        "{}",
        connections.text
    );
    helps(connections, "`SET GLOBAL max_connections = 13`");
    let diagnosis = world
        .asked("nurse", MySqlPoolOptions::new().max_connections(11))
        .await;
    compares(ok(&diagnosis, "max_connections"), 11, 12);
    world.is_told("SET GLOBAL max_connections = 300").await;
}

async fn behind_any(world: &mut World) {
    sqlx::any::install_default_drivers();
    world.is_told("SET GLOBAL wait_timeout = 60").await;
    let url = world
        .server
        .url()
        .replace("root@", "clerk@")
        .replace("/mysql", "/information_schema");
    let diagnosis = leash::doctor(&AnyPoolOptions::new().connect_lazy(&url).unwrap()).await;
    compares(
        warns(&diagnosis, "idle_timeout"),
        seconds(1200),
        seconds(60),
    );
    compares(warns(&diagnosis, "user_connections"), 10, 7);
    ok(&diagnosis, "pooler");
}
