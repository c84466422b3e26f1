//! A pooler in between, and what it hides.

use leash_tests::{MySqlPooler, PgPooler, Proxy, support};
use sqlx::leash;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{ok, unknown};

/// What depends on whose sessions the server's are.
const HIDDEN: [&str; 3] = ["idle_timeout", "max_connections", "user_connections"];

#[tokio::test]
async fn sessions_in_turn() {
    let Some(db) = support::postgres().await else {
        return;
    };
    let options: PgConnectOptions = db.url().parse().unwrap();
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let pooler = PgPooler::to(&server, options.get_username(), db.name(), 2);
    let at_pooler = options.port(pooler.address.port());
    let pool = PgPoolOptions::new().connect_lazy_with(at_pooler);
    let diagnosis = leash::doctor(&pool).await;
    let text = &unknown(&diagnosis, "pooler").text;
    assert!(text.contains("`pg_backend_pid()` answered"), "{text}");
    for name in HIDDEN {
        let text = &unknown(&diagnosis, name).text;
        assert!(text.contains("a pooler is in between"), "{text}");
    }
    // The limits on statements and transactions hold behind it, too.
    for name in ["connect", "held_idle", "slow_query"] {
        ok(&diagnosis, name);
    }
    // The pool works through it.
    sqlx::raw_sql("SELECT 1").execute(&pool).await.unwrap();
}

#[tokio::test]
async fn a_session_that_is_older_than_the_connection() {
    let Some(db) = support::postgres().await else {
        return;
    };
    let options: PgConnectOptions = db.url().parse().unwrap();
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let pooler = PgPooler::to(&server, options.get_username(), db.name(), 1);
    // The clocks of the program and the server are compared to the second.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let at_pooler = options.port(pooler.address.port());
    let diagnosis = leash::doctor(&PgPoolOptions::new().connect_lazy_with(at_pooler)).await;
    let text = &unknown(&diagnosis, "pooler").text;
    assert!(text.contains("the server's session is"), "{text}");
}

#[tokio::test]
async fn a_proxy_is_no_pooler() {
    let Some(db) = support::postgres().await else {
        return;
    };
    let options: PgConnectOptions = db.url().parse().unwrap();
    let proxy = Proxy::to(options.get_host(), options.get_port());
    let at_proxy = options.port(proxy.address.port());
    let diagnosis = leash::doctor(&PgPoolOptions::new().connect_lazy_with(at_proxy)).await;
    ok(&diagnosis, "pooler");
    ok(&diagnosis, "idle_timeout");
}

#[tokio::test]
async fn sessions_of_mariadb_in_turn() {
    let Some(server) = support::own_mysql().await else {
        return;
    };
    let options: MySqlConnectOptions = server.url().parse().unwrap();
    let pooler = MySqlPooler::to(&format!("{}:{}", options.get_host(), options.get_port()));
    let at_pooler = options.port(pooler.address.port());
    let pool = MySqlPoolOptions::new().connect_lazy_with(at_pooler);
    let diagnosis = leash::doctor(&pool).await;
    let text = &unknown(&diagnosis, "pooler").text;
    assert!(text.contains("`CONNECTION_ID()` answered"), "{text}");
    for name in HIDDEN {
        unknown(&diagnosis, name);
    }
}
