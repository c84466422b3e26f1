//! The program's hooks run as often, in the same order and with the same arguments as with plain sqlx: each program runs
//! through both.

use std::path::Path;
use std::sync::{Arc, Mutex};

/// What the hooks were called with, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    /// Adds a call. Returns how often the hook was called before.
    fn add(&self, hook: &str, connection: i64, is_new: bool, was_idle: bool) -> usize {
        let mut calls = self.0.lock().unwrap();
        let before = calls.iter().filter(|call| call.starts_with(hook)).count();
        let new = if is_new { " new" } else { "" };
        let idle = if was_idle { " idle" } else { "" };
        calls.push(format!("{hook} {connection}{new}{idle}"));
        before
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Defines programs on a database in a file. Each is a test that runs it through plain sqlx and through tracked code.
macro_rules! programs {
    ($($name:ident |$calls:ident, $file:ident| $body:block)*) => {
        mod plain {
            use super::*;
            use plain_sqlx as db;
            the_programs!($($name |$calls, $file| $body)*);
        }

        mod tracked {
            use super::*;
            use sqlx as db;
            the_programs!($($name |$calls, $file| $body)*);
        }

        $(
            #[tokio::test]
            async fn $name() {
                let [plain, tracked] = [Calls::default(), Calls::default()];
                let folder = tempfile::tempdir().unwrap();
                plain::$name(&plain, &folder.path().join("plain")).await.unwrap();
                tracked::$name(&tracked, &folder.path().join("tracked")).await.unwrap();
                let plain = plain.take();
                assert!(!plain.is_empty());
                assert_eq!(tracked.take(), plain);
            }
        )*
    };
}

macro_rules! the_programs {
    ($($name:ident |$calls:ident, $file:ident| $body:block)*) => {
        use db::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
        use db::Executor as _;

        /// Options with all three hooks. A connection is known by its number, which it keeps in a temporary table. The
        /// first hook of each kind that is called a second time refuses.
        fn hooked(calls: &Calls) -> SqlitePoolOptions {
            let [new, known, back] = [calls.clone(), calls.clone(), calls.clone()];
            SqlitePoolOptions::new()
                .max_connections(2)
                .idle_timeout(None)
                .max_lifetime(None)
                .after_connect(move |connection, meta| {
                    let calls = new.clone();
                    Box::pin(async move {
                        let number = calls.0.lock().unwrap().len();
                        let is_zero = (meta.age.is_zero(), meta.idle_for.is_zero());
                        let number = i64::try_from(number).unwrap();
                        let before = calls.add("after_connect", number, is_zero.0, !is_zero.1);
                        connection.execute("CREATE TEMP TABLE me (number)").await?;
                        let insert = db::query("INSERT INTO me VALUES (?)").bind(number);
                        insert.execute(connection).await?;
                        if before == 1 {
                            return Err(db::Error::WorkerCrashed);
                        }
                        Ok(())
                    })
                })
                .before_acquire(move |connection, meta| {
                    let calls = known.clone();
                    Box::pin(async move {
                        let me = db::query_scalar("SELECT number FROM me");
                        let me = me.fetch_one(connection).await?;
                        let is_zero = (meta.age.is_zero(), meta.idle_for.is_zero());
                        let before = calls.add("before_acquire", me, is_zero.0, !is_zero.1);
                        Ok(before != 1)
                    })
                })
                .after_release(move |connection, meta| {
                    let calls = back.clone();
                    Box::pin(async move {
                        let me = db::query_scalar("SELECT number FROM me");
                        let me = me.fetch_one(connection).await?;
                        let is_zero = (meta.age.is_zero(), meta.idle_for.is_zero());
                        let before = calls.add("after_release", me, is_zero.0, !is_zero.1);
                        match before {
                            1 => Ok(false),
                            3 => Err(db::Error::WorkerCrashed),
                            _ => Ok(true),
                        }
                    })
                })
        }

        fn on(file: &Path) -> SqliteConnectOptions {
            SqliteConnectOptions::new().filename(file).create_if_missing(true)
        }

        /// Uses a pool in many ways.
        async fn use_all(pool: &db::SqlitePool) -> db::Result<()> {
            for _ in 0..6 {
                let mut connection = pool.acquire().await?;
                connection.execute("SELECT 1").await?;
                connection.return_to_pool().await;
            }
            let first = pool.acquire().await?;
            let mut second = pool.acquire().await?;
            second.return_to_pool().await;
            first.close().await?;
            drop(pool.acquire().await?.detach());
            let mut tx = pool.begin().await?;
            tx.execute("SELECT 1").await?;
            tx.commit().await?;
            for _ in 0..3 {
                if let Some(mut connection) = pool.try_acquire() {
                    connection.return_to_pool().await;
                }
            }
            pool.close().await;
            Ok(())
        }

        $(
            pub(super) async fn $name($calls: &Calls, $file: &Path) -> db::Result<()> $body
        )*
    };
}

programs! {
    connected |calls, file| {
        let pool = hooked(calls).connect_with(on(file)).await?;
        use_all(&pool).await
    }

    connected_by_url |calls, file| {
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let pool = hooked(calls).connect(&url).await?;
        use_all(&pool).await
    }

    connected_lazily |calls, file| {
        let pool = hooked(calls).connect_lazy_with(on(file));
        use_all(&pool).await
    }

    of_cloned_options |calls, file| {
        let options = hooked(calls);
        let first = options.clone().connect_with(on(file)).await?;
        let second = options.connect_lazy_with(on(file));
        use_all(&first).await?;
        use_all(&second).await
    }

    of_a_pool_s_options |calls, file| {
        let first = hooked(calls).connect_with(on(file)).await?;
        let second = first.options().clone().connect_with(on(file)).await?;
        let third = second.options().clone().connect_lazy_with(on(file));
        for pool in [first, second, third] {
            use_all(&pool).await?;
        }
        Ok(())
    }

    set_anew |calls, file| {
        let other = Calls::default();
        let options = hooked(calls);
        let again = other.clone();
        let options = options.after_connect(move |_, meta| {
            again.add("again", 0, meta.age.is_zero(), !meta.idle_for.is_zero());
            Box::pin(async { Ok(()) })
        });
        let pool = options.before_acquire(|_, _| Box::pin(async { Ok(true) })).connect_with(on(file)).await?;
        pool.acquire().await?.close().await?;
        calls.0.lock().unwrap().extend(other.take());
        Ok(())
    }

    with_a_minimum |calls, file| {
        let pool = hooked(calls).min_connections(1).connect_with(on(file)).await?;
        pool.acquire().await?.return_to_pool().await;
        pool.close().await;
        Ok(())
    }

    of_a_child |calls, file| {
        let parent = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(on(file));
        let pool = hooked(calls).parent(parent.clone()).connect_with(on(file)).await?;
        for _ in 0..4 {
            pool.acquire().await?.return_to_pool().await;
        }
        pool.close().await;
        Ok(())
    }

    of_any |calls, file| {
        db::any::install_default_drivers();
        let [new, known, back] = [calls.clone(), calls.clone(), calls.clone()];
        let options = db::any::AnyPoolOptions::new()
            .max_connections(2)
            .after_connect(move |_, meta| {
                new.add("after_connect", 0, meta.age.is_zero(), !meta.idle_for.is_zero());
                Box::pin(async { Ok(()) })
            })
            .before_acquire(move |_, meta| {
                let before = known.add("before_acquire", 0, meta.age.is_zero(), !meta.idle_for.is_zero());
                Box::pin(async move { Ok(before != 1) })
            })
            .after_release(move |_, meta| {
                let before = back.add("after_release", 0, meta.age.is_zero(), !meta.idle_for.is_zero());
                Box::pin(async move { Ok(before != 1) })
            });
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let pool = options.connect(&url).await?;
        for _ in 0..6 {
            pool.acquire().await?.return_to_pool().await;
        }
        pool.close().await;
        Ok(())
    }
}

#[sqlx::test]
async fn of_a_test(
    options: sqlx::sqlite::SqlitePoolOptions,
    database: sqlx::sqlite::SqliteConnectOptions,
) {
    let calls = Calls::default();
    let new = calls.clone();
    let hooked = options.after_connect(move |_, meta| {
        new.add("after_connect", 0, meta.age.is_zero(), false);
        Box::pin(async { Ok(()) })
    });
    let pool = leash_tests::TestPool::new(hooked.connect_with(database).await.unwrap(), ());
    super::has(&pool, 1, 0).await;
    assert_eq!(calls.take(), ["after_connect 0 new"]);
}

#[sqlx::test]
async fn the_pool_of_a_test_is_counted(pool: sqlx::SqlitePool) {
    super::has(&leash_tests::TestPool::new(pool, ()), 1, 0).await;
}
