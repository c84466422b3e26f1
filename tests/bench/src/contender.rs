//! The same operations for every contender, written once: the contenders' crates have the same names.

/// Makes a module of operations on a crate that has sqlx's names, each run a given number of times on a runtime of its own.
#[macro_export]
macro_rules! contender {
    ($name:ident, $sqlx:ident $(, #[$track:meta])?) => {
        mod $name {
            use futures::TryStreamExt;
            use tokio::runtime::Runtime;
            use $sqlx::sqlite::SqlitePoolOptions;
            use $sqlx::{Executor, Sqlite, SqlitePool, Transaction, pool::PoolConnection};

            struct Measurements;

            $(#[$track])?
            impl Measurements {
                async fn select_by_pool(pool: &SqlitePool) {
                    $sqlx::query("SELECT 1").execute(pool).await.expect("it is valid SQL");
                }

                async fn select_on_connection(conn: &mut PoolConnection<Sqlite>) {
                    $sqlx::query("SELECT 1").execute(&mut **conn).await.expect("it is valid SQL");
                }

                async fn select_in_transaction(tx: &mut Transaction<'static, Sqlite>) {
                    $sqlx::query("SELECT 1").execute(&mut **tx).await.expect("it is valid SQL");
                }

                async fn fetch_all(pool: &SqlitePool) {
                    let rows = $sqlx::query("SELECT id, value FROM measurement").fetch_all(pool).await;
                    assert_eq!(rows.expect("it is valid SQL").len(), 1000);
                }

                async fn stream(pool: &SqlitePool) {
                    let mut rows = $sqlx::query("SELECT id, value FROM measurement").fetch(pool);
                    let mut count = 0;
                    while rows.try_next().await.expect("it is valid SQL").is_some() {
                        count += 1;
                    }
                    assert_eq!(count, 1000);
                }

                async fn acquire(pool: &SqlitePool) {
                    drop(pool.acquire().await.expect("one is idle"));
                    // Giving back is a task of its own.
                    tokio::task::yield_now().await;
                }

                async fn begin_and_commit(pool: &SqlitePool) {
                    pool.begin().await.expect("one is idle").commit().await.expect("nothing forbids it");
                }

                async fn empty() {}
            }

            pub(crate) struct Contender {
                runtime: Runtime,
                pool: SqlitePool,
            }

            impl Contender {
                pub(crate) fn new() -> Self {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .expect("a runtime starts");
                    let pool = runtime.block_on(pool());
                    Self { runtime, pool }
                }

                pub(crate) fn select_by_pool(&self, times: u32) {
                    self.runtime.block_on(async {
                        for _ in 0..times {
                            Measurements::select_by_pool(&self.pool).await;
                        }
                    });
                }

                pub(crate) fn select_on_connection(&self, times: u32) {
                    self.runtime.block_on(async {
                        let mut conn = self.pool.acquire().await.expect("one is idle");
                        for _ in 0..times {
                            Measurements::select_on_connection(&mut conn).await;
                        }
                    });
                }

                pub(crate) fn select_in_transaction(&self, times: u32) {
                    self.runtime.block_on(async {
                        let mut tx = self.pool.begin().await.expect("one is idle");
                        for _ in 0..times {
                            Measurements::select_in_transaction(&mut tx).await;
                        }
                    });
                }

                pub(crate) fn fetch_all(&self, times: u32) {
                    self.runtime.block_on(async {
                        for _ in 0..times {
                            Measurements::fetch_all(&self.pool).await;
                        }
                    });
                }

                pub(crate) fn stream(&self, times: u32) {
                    self.runtime.block_on(async {
                        for _ in 0..times {
                            Measurements::stream(&self.pool).await;
                        }
                    });
                }

                pub(crate) fn acquire(&self, times: u32) {
                    self.runtime.block_on(async {
                        for _ in 0..times {
                            Measurements::acquire(&self.pool).await;
                        }
                    });
                }

                pub(crate) fn begin_and_commit(&self, times: u32) {
                    self.runtime.block_on(async {
                        for _ in 0..times {
                            Measurements::begin_and_commit(&self.pool).await;
                        }
                    });
                }

                pub(crate) fn empty(&self, times: u32) {
                    self.runtime.block_on(async {
                        for _ in 0..times {
                            std::hint::black_box(Measurements::empty()).await;
                        }
                    });
                }
            }

            /// One connection, so that all contenders do the same; no ping, so that an acquire is the pool's work alone.
            async fn pool() -> SqlitePool {
                let pool = SqlitePoolOptions::new()
                    .max_connections(1)
                    .test_before_acquire(false)
                    .connect("sqlite::memory:")
                    .await
                    .expect("an in-memory database opens");
                pool.execute("CREATE TABLE measurement (id INTEGER PRIMARY KEY, value REAL)").await.expect("the table is new");
                pool.execute(
                    "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000)
                     INSERT INTO measurement SELECT id, id * 0.5 FROM n",
                )
                .await
                .expect("the rows are new");
                pool
            }
        }
    };
}
