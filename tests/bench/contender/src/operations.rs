//! The operations, which are the same for every contender and database.

/// Generates `serve()`, the whole program of a contender: `contender! { [attributes], conn => &mut **conn, tx => &mut
/// **tx }`.
///
/// The crate must have a dependency named `sqlx`. Its root must have the names `Pool`, `PoolConnection`,
/// `Transaction` and `watched`; `watched` turns a plain pool into one that the contender watches. The two arrows show
/// how a connection and a transaction become an executor.
///
/// The attributes apply to the `impl` block of the functions that run the operations, after `each` to every one of
/// these functions, and after `pool =>` to those with a pool, whose parameter then has this name. These are served on
/// PostgreSQL alone.
#[macro_export]
macro_rules! contender {
    ($pool:ident => [$($on_pool:tt)*], $conn:ident => $on_conn:expr, $tx:ident => $in_tx:expr) => {
        $crate::contender!(@on postgres Postgres [] $pool [$($on_pool)*] [] $conn $on_conn, $tx $in_tx);

        /// Runs the operations that the benchmark requests.
        pub fn serve() {
            $crate::serve(postgres::Contender::open);
        }
    };
    (each [$($each:tt)*], $conn:ident => $on_conn:expr, $tx:ident => $in_tx:expr) => {
        $crate::contender!(@both [] [$($each)*] $conn $on_conn, $tx $in_tx);
    };
    ([$($attributes:tt)*], $conn:ident => $on_conn:expr, $tx:ident => $in_tx:expr) => {
        $crate::contender!(@both [$($attributes)*] [] $conn $on_conn, $tx $in_tx);
    };
    (@both $on_impl:tt $each:tt $conn:ident $on_conn:expr, $tx:ident $in_tx:expr) => {
        $crate::contender!(@on sqlite Sqlite $on_impl pool $each $each $conn $on_conn, $tx $in_tx);
        $crate::contender!(@on postgres Postgres $on_impl pool $each $each $conn $on_conn, $tx $in_tx);

        /// Runs the operations that the benchmark requests.
        pub fn serve() {
            if std::env::args().any(|argument| argument.starts_with("postgres")) {
                $crate::serve(postgres::Contender::open);
            } else {
                $crate::serve(sqlite::Contender::open);
            }
        }
    };
    (
        @on $module:ident $Db:ident [$($on_impl:tt)*] $pool:ident [$($on_pool:tt)*] [$($on_other:tt)*]
        $conn:ident $on_conn:expr, $tx:ident $in_tx:expr
    ) => {
        mod $module {
            use std::time::Duration;

            use sqlx::$Db;
            use sqlx::pool::PoolOptions;
            use $crate::__private::futures::TryStreamExt as _;
            use $crate::__private::tokio;
            use $crate::{Measured, Operations, Surroundings};
            use tokio::runtime::Runtime;

            use super::{Pool, PoolConnection, Transaction, watched};

            const ROWS: &str = "SELECT id, value FROM measurement";
            const INSERT: &str = "INSERT INTO visit (measurement) VALUES ($1)";

            struct Measurements;

            $($on_impl)*
            impl Measurements {
                $($on_other)*
                async fn nothing() {}

                $($on_pool)*
                async fn select($pool: &Pool<$Db>) {
                    sqlx::query("SELECT 1").execute($pool).await.expect("it is valid SQL");
                }

                $($on_other)*
                async fn select_on_connection($conn: &mut PoolConnection<$Db>) {
                    sqlx::query("SELECT 1").execute($on_conn).await.expect("it is valid SQL");
                }

                $($on_other)*
                async fn select_argument($conn: &mut PoolConnection<$Db>) {
                    sqlx::query("SELECT $1").bind(1_i64).execute($on_conn).await.expect("it is valid SQL");
                }

                $($on_other)*
                async fn select_arguments($conn: &mut PoolConnection<$Db>) {
                    for argument in 0..100_i64 {
                        let $conn = &mut *$conn;
                        sqlx::query("SELECT $1").bind(argument).execute($on_conn).await.expect("it is valid SQL");
                    }
                }

                $($on_other)*
                async fn select_in_transaction($tx: &mut Transaction<'_, $Db>) {
                    sqlx::query("SELECT 1").execute($in_tx).await.expect("it is valid SQL");
                }

                $($on_pool)*
                async fn insert($pool: &Pool<$Db>) {
                    sqlx::query(INSERT).bind(1_i64).execute($pool).await.expect("it is valid SQL");
                }

                $($on_other)*
                async fn insert_on_connection($conn: &mut PoolConnection<$Db>) {
                    sqlx::query(INSERT).bind(1_i64).execute($on_conn).await.expect("it is valid SQL");
                }

                $($on_other)*
                async fn insert_in_transaction($tx: &mut Transaction<'_, $Db>) {
                    sqlx::query(INSERT).bind(1_i64).execute($in_tx).await.expect("it is valid SQL");
                }

                $($on_pool)*
                async fn fetch_all($pool: &Pool<$Db>) {
                    let rows = sqlx::query(ROWS).fetch_all($pool).await.expect("it is valid SQL");
                    assert_eq!(rows.len(), 1000);
                }

                $($on_pool)*
                async fn query_as($pool: &Pool<$Db>) {
                    let rows: Vec<(i64, f64)> = sqlx::query_as(ROWS).fetch_all($pool).await.expect("it is valid SQL");
                    assert_eq!(rows.len(), 1000);
                }

                $($on_pool)*
                async fn stream($pool: &Pool<$Db>) {
                    let mut rows = sqlx::query(ROWS).fetch($pool);
                    let mut count = 0;
                    while rows.try_next().await.expect("it is valid SQL").is_some() {
                        count += 1;
                    }
                    assert_eq!(count, 1000);
                }

                $($on_pool)*
                async fn query_as_stream($pool: &Pool<$Db>) {
                    let mut rows = sqlx::query_as::<_, (i64, f64)>(ROWS).fetch($pool);
                    let mut count = 0;
                    while rows.try_next().await.expect("it is valid SQL").is_some() {
                        count += 1;
                    }
                    assert_eq!(count, 1000);
                }

                $($on_pool)*
                async fn acquire($pool: &Pool<$Db>) {
                    drop($pool.acquire().await.expect("one is idle"));
                    // A spawned task returns the connection to the pool.
                    tokio::task::yield_now().await;
                }

                $($on_pool)*
                async fn begin_and_commit($pool: &Pool<$Db>) {
                    $pool.begin().await.expect("one is idle").commit().await.expect("nothing forbids it");
                }

                $($on_pool)*
                async fn begin_insert_and_commit($pool: &Pool<$Db>) {
                    let mut transaction = $pool.begin().await.expect("one is idle");
                    let $tx = &mut transaction;
                    sqlx::query(INSERT).bind(1_i64).execute($in_tx).await.expect("it is valid SQL");
                    transaction.commit().await.expect("nothing forbids it");
                }
            }

            pub(crate) struct Contender {
                runtime: Runtime,
                pool: Pool<$Db>,
                /// Never dropped.
                _held: Vec<PoolConnection<$Db>>,
            }

            impl Contender {
                pub(crate) fn open(url: &str, surroundings: &Surroundings, _thread: usize) -> Self {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .expect("a runtime starts");
                    let (pool, held) = runtime.block_on(async {
                        (measurements(url, surroundings).await, crowd(url, surroundings).await)
                    });
                    Self { runtime, pool, _held: held }
                }
            }

            impl Operations for Contender {
                fn batch(&mut self, operation: &str, times: u32, measured: Measured<'_>) {
                    let Self { runtime, pool, .. } = self;
                    let clear = async || {
                        let mut conn = pool.acquire().await.expect("one is idle");
                        let $conn = &mut conn;
                        sqlx::query("DELETE FROM visit").execute($on_conn).await.expect("it is valid SQL");
                    };
                    macro_rules! repeat {
                        ($operation:expr) => {
                            measured(&mut || runtime.block_on(async {
                                for _ in 0..times {
                                    std::hint::black_box($operation).await;
                                }
                            }))
                        };
                    }
                    match operation {
                        "empty function" => repeat!(Measurements::nothing()),
                        "SELECT 1, &pool" => repeat!(Measurements::select(pool)),
                        "SELECT 1, connection" => {
                            let mut conn = runtime.block_on(pool.acquire()).expect("one is idle");
                            repeat!(Measurements::select_on_connection(&mut conn));
                            runtime.block_on(async { drop(conn) });
                        }
                        "SELECT $1, connection" => {
                            let mut conn = runtime.block_on(pool.acquire()).expect("one is idle");
                            repeat!(Measurements::select_argument(&mut conn));
                            runtime.block_on(async { drop(conn) });
                        }
                        "SELECT $1, 100 times" => {
                            let mut conn = runtime.block_on(pool.acquire()).expect("one is idle");
                            repeat!(Measurements::select_arguments(&mut conn));
                            runtime.block_on(async { drop(conn) });
                        }
                        "SELECT 1, transaction" => {
                            let mut tx = runtime.block_on(pool.begin()).expect("one is idle");
                            repeat!(Measurements::select_in_transaction(&mut tx));
                            runtime.block_on(tx.commit()).expect("nothing forbids it");
                        }
                        "INSERT, &pool" => {
                            runtime.block_on(clear());
                            repeat!(Measurements::insert(pool));
                        }
                        "INSERT, connection" => {
                            runtime.block_on(clear());
                            let mut conn = runtime.block_on(pool.acquire()).expect("one is idle");
                            repeat!(Measurements::insert_on_connection(&mut conn));
                            runtime.block_on(async { drop(conn) });
                        }
                        "INSERT, transaction" => {
                            runtime.block_on(clear());
                            let mut tx = runtime.block_on(pool.begin()).expect("one is idle");
                            repeat!(Measurements::insert_in_transaction(&mut tx));
                            runtime.block_on(tx.commit()).expect("nothing forbids it");
                        }
                        "1000 rows, fetch_all" => repeat!(Measurements::fetch_all(pool)),
                        "1000 rows, query_as" => repeat!(Measurements::query_as(pool)),
                        "1000 rows, stream" => repeat!(Measurements::stream(pool)),
                        "1000 rows, query_as stream" => repeat!(Measurements::query_as_stream(pool)),
                        "acquire and release" => repeat!(Measurements::acquire(pool)),
                        "begin and commit" => repeat!(Measurements::begin_and_commit(pool)),
                        "begin, INSERT, commit" => {
                            runtime.block_on(clear());
                            repeat!(Measurements::begin_insert_and_commit(pool));
                        }
                        unknown => panic!("`{unknown}` is no operation"),
                    }
                }
            }

            /// Options without a ping, so that an acquire measures only the pool, and with connections that never
            /// expire.
            fn options(connections: u32) -> PoolOptions<$Db> {
                PoolOptions::new()
                    .max_connections(connections)
                    .test_before_acquire(false)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .acquire_timeout(Duration::from_hours(24))
            }

            /// A pool with one connection, which has its own temporary tables.
            async fn measurements(url: &str, surroundings: &Surroundings) -> Pool<$Db> {
                let options = options(1).min_connections(surroundings.minimum);
                let pool = options.connect(url).await.expect("the database is there");
                for statement in [
                    "CREATE TEMPORARY TABLE visit (measurement BIGINT)",
                    "CREATE TEMPORARY TABLE measurement (id BIGINT, value DOUBLE PRECISION)",
                    "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000)
                     INSERT INTO measurement SELECT id, id * 0.5 FROM n",
                ] {
                    sqlx::query(statement).execute(&pool).await.expect("it is valid SQL");
                }
                watched(pool)
            }

            /// Creates the handles and the waiting tasks that surround the operations. Returns the handles.
            async fn crowd(url: &str, surroundings: &Surroundings) -> Vec<PoolConnection<$Db>> {
                let mut held = Vec::new();
                if surroundings.held > 0 {
                    let pool = options(surroundings.held).connect(url).await.expect("the database is there");
                    let pool = watched(pool);
                    for _ in 0..surroundings.held {
                        held.push(pool.acquire().await.expect("one is left"));
                    }
                }
                if surroundings.waiting > 0 {
                    let pool = watched(options(1).connect(url).await.expect("the database is there"));
                    held.push(pool.acquire().await.expect("one is idle"));
                    for _ in 0..surroundings.waiting {
                        let pool = pool.clone();
                        tokio::spawn(async move { pool.acquire().await.map(drop) });
                        // The runtime has one thread and a queue in order, so each task waits before the next one is
                        // spawned.
                        tokio::task::yield_now().await;
                    }
                }
                held
            }
        }
    };
}
