//! `#[sqlx::test]` passes tracked handles. Run by `in_their_own_process`, which sets the server's address.

use std::env;
use std::process::Command;
use std::sync::Mutex;

use sqlx::leash::{self, Lint};
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Connection, Executor, track};

use super::{Db, server};

type Pool = sqlx::Pool<Db>;
type ConnectOptions = <<Db as sqlx::Database>::Connection as sqlx::Connection>::Options;

#[track]
async fn counted(pool: &Pool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    tx.execute("CREATE TABLE counted (id INTEGER)").await?;
    tx.commit().await?;
    pool.execute("INSERT INTO counted VALUES (1)").await?;
    Ok(())
}

#[sqlx::test(migrations = false)]
#[ignore = "needs DATABASE_URL"]
async fn a_pool(pool: Pool) {
    #[track]
    async fn loses(pool: &Pool, kept: &Mutex<Vec<PoolConnection<Db>>>) {
        let connection = pool.acquire().await.unwrap();
        kept.lock().unwrap().push(connection);
    }
    leash::testing::assert_queries!(2, counted(&pool)).unwrap();
    let kept = Mutex::default();
    let ((), findings) = leash::testing::findings(loses(&pool, &kept)).await;
    assert!(
        findings
            .iter()
            .any(|finding| finding.lint == Lint::OutlivedScope),
        "{findings:#?}"
    );
    assert_eq!(leash::snapshot().handles.len(), 1);
}

#[sqlx::test(migrations = false)]
#[ignore = "needs DATABASE_URL"]
async fn a_connection(mut connection: PoolConnection<Db>) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    tx.execute("SELECT 1").await?;
    assert_eq!(leash::snapshot().handles[0].transaction_depth, 1);
    tx.rollback().await
}

#[sqlx::test(migrations = false)]
#[ignore = "needs DATABASE_URL"]
async fn options(options: PoolOptions<Db>, connect: ConnectOptions) {
    let pool = options
        .max_connections(1)
        .connect_with(connect)
        .await
        .unwrap();
    leash::testing::assert_queries!(2, counted(&pool)).unwrap();
    pool.close().await;
    assert_eq!(leash::snapshot().handles.len(), 0);
}

#[tokio::test]
async fn in_their_own_process() {
    let Some((url, _server)) = server().await else {
        return;
    };
    run_ignored(&here!(""), &url, 3);
}

/// Runs the ignored tests of a module in their own process. They read the server's address from `DATABASE_URL`.
#[track_caller]
fn run_ignored(module: &str, url: &str, expected: usize) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--test-threads=1", module])
        .env("DATABASE_URL", url)
        .env_remove("SQLX_LEASH")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && out.contains(&format!("{expected} passed")),
        "{out}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
