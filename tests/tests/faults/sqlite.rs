//! A full disk, a locked, read-only or corrupt file, and a statement that is interrupted.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures::TryStreamExt;
use leash_tests::TestPool;
use sqlx::leash::Lint;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::common::{error, listen};

type Db = sqlx::Sqlite;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";
const LOCKED: &[Lint] = &[Lint::DatabaseLocked];
/// Writes more than the database may hold.
const BLOB: &str = "INSERT INTO exam (name) VALUES (zeroblob(1000000))";
const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n, exam";

/// A database for each of the two pools, in a folder that is dropped with the tracked pool.
struct World {
    pool: TestPool<Db>,
    plain: plain_sqlx::SqlitePool,
    folder: PathBuf,
}

impl World {
    async fn new() -> Option<Self> {
        listen();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let database = |name: &str| {
            SqliteConnectOptions::new()
                .filename(path.join(name))
                .create_if_missing(true)
                .busy_timeout(Duration::from_millis(20))
        };
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(database("tracked"))
            .await
            .unwrap();
        let plain = plain_sqlx::sqlite::SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(database("plain"))
            .await
            .unwrap();
        let world = Self {
            pool: TestPool::new(pool, folder),
            plain,
            folder: path,
        };
        for file in ["tracked", "plain"] {
            let mut conn = world.connects(file).await;
            plain_sqlx::raw_sql(
                "PRAGMA journal_mode = DELETE; CREATE TABLE exam (id INTEGER PRIMARY KEY, name)",
            )
            .execute(&mut conn)
            .await
            .unwrap();
        }
        Some(world)
    }

    async fn connects(&self, file: &str) -> plain_sqlx::SqliteConnection {
        let options =
            plain_sqlx::sqlite::SqliteConnectOptions::new().filename(self.folder.join(file));
        <plain_sqlx::SqliteConnection as plain_sqlx::Connection>::connect_with(&options)
            .await
            .unwrap()
    }

    /// Locks both files until the returned connections are dropped.
    async fn locks(&self) -> Vec<plain_sqlx::SqliteConnection> {
        let mut locks = Vec::new();
        for file in ["tracked", "plain"] {
            let mut conn = self.connects(file).await;
            plain_sqlx::raw_sql("BEGIN EXCLUSIVE")
                .execute(&mut conn)
                .await
                .unwrap();
            locks.push(conn);
        }
        locks
    }

    /// Overwrites the pages behind the first one in both files, and returns the original bytes.
    fn is_broken(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let broken = ["tracked", "plain"].map(|file| {
            let file = self.folder.join(file);
            let intact = fs::read(&file).unwrap();
            let mut bytes = intact.clone();
            bytes[4096..].fill(0xff);
            fs::write(&file, bytes).unwrap();
            (file, intact)
        });
        broken.into()
    }

    /// Waits until no connection holds a lock.
    async fn is_repaired(&self) {
        drop(self.locks().await);
    }
}

situations! {
    World::new();

    full => error(&["Database 13"]), |pool, _world| {
        let mut conn = pool.acquire().await?;
        conn.execute("PRAGMA max_page_count = 10").await?;
        let ended = conn.execute(BLOB).await;
        conn.execute("PRAGMA max_page_count = 1000000").await?;
        conn.execute(INSERT).await?;
        ended.map(drop)
    }

    /// SQLite ends the transaction by itself; the driver does not know this.
    full_in_a_transaction => error(&["Database 1"]), |pool, _world| {
        let mut tx = pool.begin().await?;
        tx.execute("PRAGMA max_page_count = 10").await?;
        tx.execute(INSERT).await?;
        let full = tx.execute(BLOB).await.unwrap_err();
        assert_eq!(full.into_database_error().unwrap().code().unwrap(), "13");
        tx.execute("PRAGMA max_page_count = 1000000").await?;
        tx.rollback().await
    }

    full_in_a_savepoint => error(&["Database 1"]).found(&[Lint::FailedTransaction]), |pool, _world| {
        let mut tx = pool.begin().await?;
        tx.execute("PRAGMA max_page_count = 10").await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute(BLOB).await.unwrap_err();
        savepoint.execute("PRAGMA max_page_count = 1000000").await?;
        savepoint.commit().await
    }

    locked => error(&["Database 5"]).found(LOCKED), |pool, world| {
        let locks = world.locks().await;
        let ended = pool.execute(INSERT).await;
        drop(locks);
        ended.map(drop)
    }

    locked_at_begin => error(&["Database 5"]).found(LOCKED), |pool, world| {
        let locks = world.locks().await;
        let ended = pool.begin_with("BEGIN IMMEDIATE").await;
        drop(locks);
        ended.map(drop)
    }

    /// Another connection reads, so the commit waits, times out, and leaves the transaction open.
    locked_at_commit => error(&["Database 5"]).found(&[Lint::NestedAcquire, Lint::DatabaseLocked]), |pool, _world| {
        pool.execute(INSERT).await?;
        let mut reader = pool.acquire().await?;
        let mut rows = db::query(ENDLESS).fetch(&mut *reader);
        rows.try_next().await?;
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        tx.commit().await
    }

    read_only => error(&["Database 8"]), |pool, _world| {
        let mut conn = pool.acquire().await?;
        conn.execute("PRAGMA query_only = ON").await?;
        let ended = conn.execute(INSERT).await;
        conn.execute("PRAGMA query_only = OFF").await?;
        ended.map(drop)
    }

    broken => error(&["Database 11"]), |pool, world| {
        pool.execute(INSERT).await?;
        let mut conn = pool.acquire().await?;
        let intact = world.is_broken();
        conn.execute("PRAGMA shrink_memory").await?;
        let ended = conn.execute("SELECT * FROM exam").await;
        for (file, bytes) in intact {
            fs::write(file, bytes).unwrap();
        }
        ended.map(drop)
    }

    interrupted => error(&["Database 9"]), |pool, _world| {
        pool.execute(INSERT).await?;
        let mut conn = pool.acquire().await?;
        conn.lock_handle().await?.set_progress_handler(1000, || false);
        let ended = db::query(ENDLESS).fetch_all(&mut *conn).await;
        conn.lock_handle().await?.remove_progress_handler();
        ended.map(drop)
    }

    interrupted_in_mid_stream => error(&["Database 9"]), |pool, _world| {
        pool.execute(INSERT).await?;
        let mut conn = pool.acquire().await?;
        let mut looks = 0;
        conn.lock_handle().await?.set_progress_handler(1000, move || { looks += 1; looks < 10 });
        let mut rows = db::query(ENDLESS).fetch(&mut *conn);
        let ended = async { while rows.try_next().await?.is_some() {} db::Result::<()>::Ok(()) }.await;
        drop(rows);
        conn.lock_handle().await?.remove_progress_handler();
        ended
    }
}
