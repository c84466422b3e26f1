//! Servers that cannot be reached, are full or do not answer.

use leash_tests::support::{mysql, postgres};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Postgres};

use super::*;

/// A port at which nothing listens, as long as the socket lives.
fn refused_port() -> (socket2::Socket, u16) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let address: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&address.into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, port)
}

async fn is_down_after_ten_seconds<DB: Backend>(pool: &TestPool<DB>, why: &str) -> PoolHealth {
    let health = becomes(pool, HealthStatus::Down).await;
    assert!(health.age >= Duration::from_secs(10), "{health:?}");
    assert!(health.reason.ends_with(why), "{health}");
    for secret in ["someone", "secret", "127.0.0.1"] {
        assert!(!health.reason.contains(secret), "{health}");
    }
    health
}

async fn is_refused<DB: Backend>(pool: TestPool<DB>, _port: socket2::Socket) {
    is(&pool, HealthStatus::Unknown);
    waits(&pool).await.unwrap_err();
    let health = is(&pool, HealthStatus::Unknown);
    assert!(
        health.reason.starts_with("no acquire was served for "),
        "{health}"
    );
    is_down_after_ten_seconds(&pool, ": a connect fails: connection refused").await;
    assert_eq!(leash::health().http_status(), 503);
}

#[tokio::test]
async fn nothing_listens_for_postgres() {
    let (socket, port) = refused_port();
    let url = format!("postgres://someone:secret@127.0.0.1:{port}/shop");
    let options = PgPoolOptions::new().acquire_timeout(SOON);
    let pool = TestPool::new(options.connect_lazy(&url).unwrap(), ());
    is_refused(pool, socket).await;
}

#[tokio::test]
async fn nothing_listens_for_mysql() {
    let (socket, port) = refused_port();
    let url = format!("mysql://someone:secret@127.0.0.1:{port}/shop");
    let options = MySqlPoolOptions::new().acquire_timeout(SOON);
    let pool = TestPool::new(options.connect_lazy(&url).unwrap(), ());
    is_refused(pool, socket).await;
}

/// Of a request that gives up earlier than the pool does, neither an error nor a timeout is left.
#[tokio::test]
async fn nothing_listens_and_requests_give_up() {
    let (_socket, port) = refused_port();
    let url = format!("postgres://someone:secret@127.0.0.1:{port}/shop");
    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    let pool = TestPool::new(pool, ());
    let request = || tokio::time::timeout(Duration::from_secs(3), waits(&pool));
    request().await.unwrap_err();
    is_down_after_ten_seconds(&pool, ": a connect fails: connection refused").await;
}

/// The server takes a connection and says nothing.
#[tokio::test]
async fn no_answer() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://someone:secret@127.0.0.1:{port}/shop");
    let options = PgPoolOptions::new().acquire_timeout(Duration::from_mins(1));
    let pool = TestPool::new(options.connect_lazy(&url).unwrap(), ());
    tokio::select! {
        ended = waits(&pool) => panic!("{ended:?}"),
        health = is_down_after_ten_seconds(&pool, ": the server does not answer a connect") => {
            assert_eq!(health.waiting, 1);
        }
    }
}

#[tokio::test]
async fn a_wrong_password() {
    let Some(db) = postgres().await else {
        return;
    };
    let role = format!("someone_{}", db.name());
    let options: PgConnectOptions = db.url().parse().unwrap();
    let mut admin = sqlx::PgConnection::connect_with(&options).await.unwrap();
    let create = format!("CREATE ROLE {role} NOLOGIN");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    let pool = PgPoolOptions::new().connect_lazy_with(options.username(&role));
    let pool = TestPool::new(pool, ());
    waits(&pool).await.unwrap_err();
    let words = ": the server refuses a connect with the code 28000";
    is_down_after_ten_seconds(&pool, words).await;
}

/// A role that may have two connections, and the options to connect as it.
async fn few_of_postgres() -> Option<(impl Sized, PgConnectOptions)> {
    let db = postgres().await?;
    let role = format!("few_{}", db.name());
    let options: PgConnectOptions = db.url().parse().unwrap();
    let mut admin = sqlx::PgConnection::connect_with(&options).await.unwrap();
    let create = format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 2");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    Some((db, options.username(&role)))
}

#[tokio::test]
async fn a_full_server() {
    let Some((_db, role)) = few_of_postgres().await else {
        return;
    };
    let options = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(3));
    let first = TestPool::new(options.clone().connect_lazy_with(role.clone()), ());
    let _both = (
        first.acquire().await.unwrap(),
        first.acquire().await.unwrap(),
    );
    let pool = TestPool::<Postgres>::new(options.connect_lazy_with(role), ());
    waits(&pool).await.unwrap_err();
    let health = is(&pool, HealthStatus::Saturated);
    assert_eq!(health.verdict, Some(Verdict::Unreachable), "{health}");
    is_down_after_ten_seconds(&pool, ": the server is full").await;
    is(&first, HealthStatus::Up);
}

/// A pool that gets no more connections of the server, while those that it has serve.
#[tokio::test]
async fn a_full_server_beside_connections_that_serve() {
    let Some((_db, role)) = few_of_postgres().await else {
        return;
    };
    let options = PgPoolOptions::new()
        .max_connections(3)
        .acquire_timeout(Duration::from_secs(2));
    let pool = TestPool::new(options.connect_lazy_with(role), ());
    let mut one = pool.acquire().await.unwrap();
    let _other = pool.acquire().await.unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(12) {
        waits(&pool).await.unwrap_err();
        sqlx::query("SELECT 1").execute(&mut *one).await.unwrap();
        let health = is(&pool, HealthStatus::Saturated);
        assert_eq!(health.verdict, Some(Verdict::Unreachable), "{health}");
    }
}

#[tokio::test]
async fn a_full_mysql_server() {
    let Some(db) = mysql().await else {
        return;
    };
    let (user, name) = (format!("few_{}", db.name()), db.name());
    let options: MySqlConnectOptions = db.url().parse().unwrap();
    let mut admin = sqlx::MySqlConnection::connect_with(&options).await.unwrap();
    let create =
        format!("CREATE USER {user} WITH MAX_USER_CONNECTIONS 1; GRANT ALL ON {name}.* TO {user}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    let pools = MySqlPoolOptions::new().acquire_timeout(Duration::from_secs(3));
    let role = options.username(&user);
    let first = TestPool::new(pools.clone().connect_lazy_with(role.clone()), ());
    let _one = first.acquire().await.unwrap();
    let pool = TestPool::new(pools.connect_lazy_with(role), ());
    waits(&pool).await.unwrap_err();
    is(&pool, HealthStatus::Saturated);
    is_down_after_ten_seconds(&pool, ": the server is full").await;
}

/// The server accepts, and a hook refuses every connection.
#[tokio::test]
async fn a_hook_that_refuses_every_connection() {
    let options = SqlitePoolOptions::new()
        .acquire_timeout(Duration::from_secs(6))
        .after_connect(|_, _| Box::pin(async { Err(sqlx::Error::RowNotFound) }));
    let pool = TestPool::new(options.connect_lazy("sqlite::memory:").unwrap(), ());
    waits(&pool).await.unwrap_err();
    is(&pool, HealthStatus::Unknown);
    waits(&pool).await.unwrap_err();
    is_down_after_ten_seconds(&pool, ": no connection came").await;
}
