//! `#[sqlx::test]` with tracked pools.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::migrate::Migrate;
use sqlx::testing::{TestArgs, TestSupport, TestTermination};
use sqlx::{Connection, Database, Executor};

use super::options::PoolOptions;
use super::pool::Pool;
use super::pool_connection::PoolConnection;
use crate::scope::failures;

/// sqlx's `TestFn`, for functions that take tracked types.
pub trait TestFn {
    /// The output of the test.
    type Output;

    /// Runs the test.
    ///
    /// # Panics
    ///
    /// As sqlx's, where the test's database or pool cannot be connected.
    fn run_test(self, args: TestArgs) -> Self::Output;
}

type Options<DB> = <<DB as Database>::Connection as Connection>::Options;
type Local<T> = Pin<Box<dyn Future<Output = T>>>;

thread_local! {
    /// The test that is being started. It cannot be passed to sqlx, which takes a function pointer and calls it on the
    /// same thread.
    static TEST: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// A test that takes the pool's options and the connect options.
type Test<DB, T> = Box<dyn FnOnce(PoolOptions<DB>, Options<DB>) -> Local<T>>;

fn run<DB, T>(args: TestArgs, test: Test<DB, T>) -> T
where
    DB: Database + TestSupport,
    DB::Connection: Migrate,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    T: TestTermination + 'static,
{
    fn start<DB: Database, T: 'static>(
        options: sqlx::pool::PoolOptions<DB>,
        connect: Options<DB>,
    ) -> Local<T> {
        let test = TEST
            .take()
            .expect("BUG: `TEST` is set before sqlx calls this");
        let test = test
            .downcast::<Test<DB, T>>()
            .expect("BUG: `TEST` holds a test of the same types");
        // sqlx sets no hook on a test's pool.
        test(PoolOptions::without_hooks(options), connect)
    }

    TEST.set(Some(Box::new(test)));
    let start: fn(sqlx::pool::PoolOptions<DB>, Options<DB>) -> Local<T> = start::<DB, T>;
    sqlx::testing::TestFn::run_test(start, args)
}

/// Connects the pool, runs the test and closes the pool, as sqlx does.
fn run_with_pool<DB, F, Fut>(args: TestArgs, test: F) -> Fut::Output
where
    DB: Database + TestSupport,
    DB::Connection: Migrate,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    F: FnOnce(Pool<DB>) -> Fut + 'static,
    Fut: Future,
    Fut::Output: TestTermination + 'static,
{
    let path = args.test_path;
    run::<DB, _>(
        args,
        Box::new(move |options, connect| {
            Box::pin(async move {
                let pool = options
                    .connect_with(connect)
                    .await
                    .expect("failed to connect test pool");
                let output = test(pool.clone()).await;
                if sqlx_core::rt::timeout(Duration::from_secs(10), pool.close())
                    .await
                    .is_err()
                {
                    eprintln!("test {path} held onto Pool after exiting");
                }
                if let Some(message) = failures::take_unclaimed(&pool.state().name()) {
                    panic!("{message}");
                }
                output
            })
        }),
    )
}

impl<DB, Fut> TestFn for fn(Pool<DB>) -> Fut
where
    DB: Database + TestSupport,
    DB::Connection: Migrate,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    Fut: Future + 'static,
    Fut::Output: TestTermination + 'static,
{
    type Output = Fut::Output;

    fn run_test(self, args: TestArgs) -> Self::Output {
        run_with_pool(args, self)
    }
}

impl<DB, Fut> TestFn for fn(PoolConnection<DB>) -> Fut
where
    DB: Database + TestSupport,
    DB::Connection: Migrate,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    Fut: Future + 'static,
    Fut::Output: TestTermination + 'static,
{
    type Output = Fut::Output;

    fn run_test(self, args: TestArgs) -> Self::Output {
        run_with_pool(args, move |pool: Pool<DB>| async move {
            let connection = pool
                .acquire()
                .await
                .expect("failed to acquire test pool connection");
            let output = self(connection).await;
            pool.close().await;
            output
        })
    }
}

impl<DB, Fut> TestFn for fn(PoolOptions<DB>, Options<DB>) -> Fut
where
    DB: Database + TestSupport,
    DB::Connection: Migrate,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    Fut: Future + 'static,
    Fut::Output: TestTermination + 'static,
{
    type Output = Fut::Output;

    fn run_test(self, args: TestArgs) -> Self::Output {
        run::<DB, _>(
            args,
            Box::new(move |options, connect| Box::pin(self(options, connect))),
        )
    }
}

impl<Fut: Future> TestFn for fn() -> Fut {
    type Output = Fut::Output;

    fn run_test(self, args: TestArgs) -> Self::Output {
        sqlx::testing::TestFn::run_test(self, args)
    }
}
