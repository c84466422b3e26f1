//! A database, two pools that reach it through a proxy, and an administrator that causes faults.

use std::time::{Duration, Instant};

use leash_tests::{Fate, Proxy, TestPool};
use plain_sqlx::AssertSqlSafe;
use tokio::sync::Mutex;

use super::{CREATE, ConnectOptions, Db, IS_GONE, PoolOptions, SESSIONS_RUNNING, database, kill};
use crate::common::{PATIENCE, listen};

type PlainPool = plain_sqlx::Pool<Db>;
type PlainConnection = <Db as plain_sqlx::Database>::Connection;

/// Long enough that a late poll on a busy machine is not a stall.
const SOON: Duration = Duration::from_secs(4);

pub(super) struct World {
    pub(super) pool: TestPool<Db>,
    /// The pool without the tracker.
    pub(super) plain: PlainPool,
    pub(super) proxy: Proxy,
    /// A connection to the server that bypasses the proxy.
    admin: Mutex<PlainConnection>,
}

impl World {
    /// Pools of two connections with an acquire timeout that no situation reaches.
    pub(super) async fn new() -> Option<Self> {
        Self::with_timeout(PATIENCE).await
    }

    /// Pools with a short acquire timeout.
    pub(super) async fn impatient() -> Option<Self> {
        Self::with_timeout(SOON).await
    }

    async fn with_timeout(acquire_timeout: Duration) -> Option<Self> {
        let db = database().await?;
        let url = db.url().to_owned();
        let direct: ConnectOptions = url.parse().unwrap();
        let proxy = Proxy::to(direct.get_host(), direct.get_port());
        let options = direct.host("127.0.0.1").port(proxy.address.port());
        Some(Self::of(&url, options, acquire_timeout, proxy, db).await)
    }

    /// Pools at a server that will stop, without a proxy in between.
    pub(super) async fn at(url: &str) -> Self {
        let proxy = Proxy::to("127.0.0.1", 0);
        Self::of(url, url.parse().unwrap(), SOON, proxy, ()).await
    }

    async fn of(
        url: &str,
        options: ConnectOptions,
        acquire_timeout: Duration,
        proxy: Proxy,
        kept: impl std::any::Any + Send + Sync,
    ) -> Self {
        listen();
        let mut admin = <PlainConnection as plain_sqlx::Connection>::connect(url)
            .await
            .unwrap();
        plain_sqlx::query(CREATE).execute(&mut admin).await.unwrap();
        let pool = PoolOptions::new()
            .max_connections(2)
            .acquire_timeout(acquire_timeout)
            .connect_lazy_with(options.clone());
        let plain = plain_sqlx::pool::PoolOptions::new()
            .max_connections(2)
            .acquire_timeout(acquire_timeout)
            .connect_lazy_with(options);
        Self {
            pool: TestPool::new(pool, kept),
            plain,
            proxy,
            admin: Mutex::new(admin),
        }
    }

    /// Restores the proxy and the table.
    pub(super) async fn is_repaired(&self) {
        self.proxy.meets_new_ones_with(Fate::Passed);
        // Waits until every lock is released.
        self.does("DELETE FROM exam").await;
    }

    /// Ends a session, and waits until it is gone.
    pub(super) async fn kills(&self, session: i64) {
        let mut admin = self.admin.lock().await;
        plain_sqlx::query(AssertSqlSafe(kill(session)))
            .execute(&mut *admin)
            .await
            .unwrap();
        drop(admin);
        self.sees_gone(session).await;
    }

    /// Waits until a session is gone.
    pub(super) async fn sees_gone(&self, session: i64) {
        self.sees(IS_GONE, session).await;
    }

    /// Waits until this number of sessions runs a statement with this beginning, and returns their ids.
    pub(super) async fn sees_running(&self, statement: &str, sessions: usize) -> Vec<i64> {
        self.asks(SESSIONS_RUNNING, format!("{statement}%"), sessions)
            .await
    }

    /// Waits until this query about a session returns a row.
    pub(super) async fn sees(&self, query: &'static str, session: i64) {
        self.asks(query, session, 1).await;
    }

    /// Ends the session that runs a statement with this beginning.
    pub(super) async fn kills_sessions_running(&self, statement: &str) {
        let sessions = self.sees_running(statement, 1).await;
        self.kills(sessions[0]).await;
    }

    /// Repeats the query until it returns at least this number of rows.
    async fn asks<'q, T>(&self, query: &'static str, argument: T, rows: usize) -> Vec<i64>
    where
        T: 'q + Clone + Send + plain_sqlx::Encode<'q, Db> + plain_sqlx::Type<Db>,
    {
        let deadline = Instant::now() + PATIENCE;
        let mut admin = self.admin.lock().await;
        loop {
            let numbers = plain_sqlx::query_scalar(query)
                .bind(argument.clone())
                .fetch_all(&mut *admin)
                .await
                .unwrap();
            if numbers.len() >= rows {
                return numbers;
            }
            assert!(
                Instant::now() < deadline,
                "`{query}` never returns enough rows"
            );
        }
    }

    /// Reconnects after the server was down.
    pub(super) async fn returns(&self, url: &str) {
        *self.admin.lock().await = <PlainConnection as plain_sqlx::Connection>::connect(url)
            .await
            .unwrap();
    }

    /// Runs a statement on the administrator's connection.
    pub(super) async fn does(&self, sql: &'static str) {
        let mut admin = self.admin.lock().await;
        plain_sqlx::raw_sql(sql).execute(&mut *admin).await.unwrap();
    }

    /// Waits until the proxy has swallowed more bytes than this.
    pub(super) async fn has_swallowed(&self, before: u64) {
        leash_tests::until("something is swallowed", || self.proxy.swallowed() > before).await;
    }

    /// The number of rows in the table.
    pub(super) async fn written(&self) -> i64 {
        plain_sqlx::query_scalar("SELECT count(*) FROM exam")
            .fetch_one(&mut *self.admin.lock().await)
            .await
            .unwrap()
    }
}
