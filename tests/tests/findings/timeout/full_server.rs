//! A server that refuses further connections, because it is full or because a role or a database has its share.

use leash_test_support::Db;
use sqlx::leash::testing::findings;
use sqlx::leash::{Backend, Certainty, Finding, Lint, Verdict};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Pool, track};

use crate::common::{
    Lines, TestPool, assert_helps, assert_primary, in_child_under, marked, none_of, only_of,
    related, said, silent,
};

use super::{A_SECOND, assert_verdict, place_of_waits, waits};

/// Runs this on the server of the database, as its administrator.
async fn administers(db: &Db, statements: String) {
    let statements = sqlx::raw_sql(AssertSqlSafe(statements));
    if db.url().starts_with("postgres") {
        let mut conn = PgConnection::connect(db.url()).await.unwrap();
        statements.execute(&mut conn).await.unwrap();
    } else {
        let mut conn = MySqlConnection::connect(db.url()).await.unwrap();
        statements.execute(&mut conn).await.unwrap();
    }
}

/// The options of a role of its own, which may have this number of connections.
async fn role(db: &Db, connections: u32) -> PgConnectOptions {
    let role = format!("few_{}", db.name());
    let create = format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT {connections}");
    administers(db, create).await;
    let options: PgConnectOptions = db.url().parse().unwrap();
    options.username(&role)
}

/// The same on MariaDB.
async fn user(db: &Db, limit: &str) -> MySqlConnectOptions {
    let user = format!("few_{}", db.name());
    let (database, with) = (db.name(), format!("WITH {limit}"));
    administers(
        db,
        format!("CREATE USER {user} {with}; GRANT ALL ON {database}.* TO {user}"),
    )
    .await;
    let options: MySqlConnectOptions = db.url().parse().unwrap();
    options.username(&user)
}

fn postgres_pool(max_connections: u32) -> PgPoolOptions {
    let options = PgPoolOptions::new().max_connections(max_connections);
    options.acquire_timeout(A_SECOND)
}

/// Waits until the pool has opened its minimum of connections.
async fn is_open<DB: Backend>(pool: &Pool<DB>) {
    let min = pool.options().get_min_connections();
    leash_tests::until("the connections are open", || pool.size() >= min).await;
}

fn assert_says_full(finding: &Finding, error: &str) {
    assert_eq!(
        finding.verdict,
        Some(Verdict::Unreachable),
        "{}",
        finding.render()
    );
    assert!(finding.cause.contains(" is full: "), "{}", finding.cause);
    assert!(finding.cause.contains(error), "{}", finding.cause);
    let advises = |words| finding.help.iter().any(|help| help.contains(words));
    assert!(!advises("whether a server listens"), "{}", finding.render());
    assert!(!advises("connect without a pool"), "{}", finding.render());
}

#[tokio::test]
async fn a_role_of_postgres_has_its_share() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let role = role(&db, 2).await;
    let other = postgres_pool(3).min_connections(2);
    let other = other.connect_with(role.clone()).await.unwrap(); // @the other pool
    is_open(&other).await;
    let idle = other.acquire().await.unwrap();
    let pool = postgres_pool(4).connect_lazy_with(role); // @the refused pool
    let pool = TestPool::of(pool);
    let (ended, found) = findings(Box::pin(waits(&pool))).await;
    drop(idle);
    assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)), "{ended:?}");
    let finding = only_of(Lint::PoolTimeout, &found);
    assert_says_full(finding, "too many connections for role");
    // A connect beside the wait may itself be the one too many.
    assert_eq!(finding.certainty, Certainty::Likely);
    assert_eq!(said(finding, "pools of this process on the server"), "2");
    assert_eq!(said(finding, "their connections"), "2");
    assert_eq!(said(finding, "they may open"), "7");
    assert_eq!(said(finding, "held at once at most"), "1");
    let needed: f64 = said(finding, "they needed on average").parse().unwrap();
    assert!(needed > 0.0, "{}", finding.render());
    let first = &finding.help[0];
    assert!(
        first.starts_with("hold connections for less time, so that smaller pools are enough: "),
        "{first}"
    );
    let holder = related(finding, &marked("the other pool", "connect_with"));
    let words = "has 2 connections to this server, and may open 3";
    assert!(holder.label.ends_with(words), "{}", holder.label);
    let refused = related(finding, &marked("the refused pool", "connect_lazy_with"));
    let words = "has 0 connections to this server, and may open 4";
    assert!(refused.label.ends_with(words), "{}", refused.label);
    assert_helps(finding, "may open 7");
    assert_helps(finding, "make one, and clone it");
    assert_helps(finding, "pg_stat_activity");
    assert_helps(finding, "ALTER ROLE … CONNECTION LIMIT");
}

#[tokio::test]
async fn a_database_of_postgres_has_its_share() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    // The limit of a database does not hold for a superuser.
    let role = role(&db, 100).await;
    let mut first = PgConnection::connect_with(&role).await.unwrap();
    administers(
        &db,
        format!("ALTER DATABASE {} CONNECTION LIMIT 1", db.name()),
    )
    .await;
    let pool = TestPool::of(postgres_pool(2).connect_lazy_with(role));
    let (_ended, found) = findings(Box::pin(waits(&pool))).await;
    let finding = only_of(Lint::PoolTimeout, &found);
    assert_says_full(finding, "too many connections for database");
    // None of its pools has held anything.
    let help = &finding.help[0];
    assert!(help.starts_with("make the pools smaller: "), "{help}");
    assert_eq!(said(finding, "their connections"), "0");
    first.ping().await.unwrap();
}

/// The driver does not wait for MariaDB to have room: the acquire fails at once.
#[tokio::test]
async fn a_user_of_mysql_has_its_share() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let user = user(&db, "MAX_USER_CONNECTIONS 2").await;
    let options = MySqlPoolOptions::new().max_connections(3);
    let other = options.clone().min_connections(2);
    let other = other.connect_with(user.clone()).await.unwrap(); // @the other mysql pool
    is_open(&other).await;
    let pool = TestPool::of(options.connect_lazy_with(user));
    let (ended, found) = findings(Box::pin(waits(&pool))).await;
    assert!(matches!(ended, Err(sqlx::Error::Database(_))), "{ended:?}");
    let finding = only_of(Lint::PoolTimeout, &found);
    assert_says_full(finding, "max_user_connections");
    assert_verdict(finding, Verdict::Unreachable, Certainty::Certain);
    assert_primary(finding, &place_of_waits(), "timeout::waits");
    let holder = related(finding, &marked("the other mysql pool", "connect_with"));
    assert!(
        holder.label.contains("has 2 connections to this server"),
        "{}",
        holder.label
    );
    assert_helps(finding, "MAX_USER_CONNECTIONS");
    assert_helps(finding, "information_schema.processlist");
}

#[track]
async fn makes(options: MySqlPoolOptions, user: MySqlConnectOptions) -> sqlx::Result<()> {
    options.connect_with(user).await?.close().await; // @makes a mysql pool
    Ok(())
}

#[tokio::test]
async fn mysql_refuses_the_first_connection_of_a_pool() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let user = user(&db, "MAX_USER_CONNECTIONS 1").await;
    let mut first = MySqlConnection::connect_with(&user).await.unwrap();
    let (_ended, found) = findings(makes(MySqlPoolOptions::new(), user)).await;
    let finding = only_of(Lint::PoolTimeout, &found);
    assert_says_full(finding, "max_user_connections");
    let place = marked("makes a mysql pool", "connect_with");
    assert_primary(finding, &place, "timeout::full_server::makes");
    first.ping().await.unwrap();
}

/// Near miss: another limit of the user. A smaller pool would not help, and the error says what would.
#[tokio::test]
async fn a_user_of_mysql_has_connected_too_often() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let user = user(&db, "MAX_CONNECTIONS_PER_HOUR 1").await;
    MySqlConnection::connect_with(&user)
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    let pool = TestPool::of(MySqlPoolOptions::new().connect_lazy_with(user));
    let (ended, found) = findings(Box::pin(waits(&pool))).await;
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("max_connections_per_hour"), "{error}");
    none_of(Lint::PoolTimeout, &found);
}

/// The corrected form: both pools together stay within the limit.
#[tokio::test]
async fn pools_within_the_limit() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let role = role(&db, 2).await;
    let other = postgres_pool(1).connect_with(role.clone()).await.unwrap();
    let pool = TestPool::of(postgres_pool(1).connect_lazy_with(role));
    silent(async {
        waits(&pool).await.unwrap();
        waits(&TestPool::of(other)).await.unwrap();
    })
    .await;
}

#[test]
fn a_full_server_is_reported_once_for_all_its_pools() {
    let test = "timeout::full_server::a_full_server_is_reported_once_for_all_its_pools";
    let _ = in_child_under(test, "", |runtime| {
        let lines = Lines::of_process();
        let reported = |word: &str| {
            let mut found = lines.of("sqlx_leash::finding");
            found.retain(|line| line.contains(word));
            found
        };
        runtime.block_on(async {
            if let Some(db) = leash_test_support::postgres().await {
                let role = role(&db, 1).await;
                let mut first = PgConnection::connect_with(&role).await.unwrap();
                let pools = [2, 3, 4].map(|max| postgres_pool(max).connect_lazy_with(role.clone()));
                for pool in &pools {
                    waits(pool).await.unwrap_err();
                }
                let found = reported("pool_timeout");
                assert_eq!(found.len(), 1, "{found:#?}");
                first.ping().await.unwrap();
            }
            if let Some(db) = leash_test_support::mysql().await {
                let before = reported("pool_timeout").len();
                let user = user(&db, "MAX_USER_CONNECTIONS 1").await;
                let mut first = MySqlConnection::connect_with(&user).await.unwrap();
                for max in [2, 3, 4] {
                    let options = MySqlPoolOptions::new().max_connections(max);
                    waits(&options.connect_lazy_with(user.clone()))
                        .await
                        .unwrap_err();
                }
                let found = reported("pool_timeout");
                assert_eq!(found.len(), before + 1, "{found:#?}");
                first.ping().await.unwrap();
            }
        });
    });
}
