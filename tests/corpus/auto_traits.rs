//! The auto traits of sqlx's types: `Send`, `Sync`, `Unpin`, `UnwindSafe`. The signatures of programs depend on them.

use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};

use sqlx::pool::{CloseEvent, PoolConnection, PoolOptions};
use sqlx::postgres::{PgListener, PgPoolCopyExt};
use sqlx::{
    Acquire, Any, Connection, Executor, MySql, MySqlPool, PgPool, Pool, Postgres, Sqlite,
    SqlitePool, Transaction,
};

use super::clinic;

struct Probe<T>(PhantomData<T>);

impl<T> Probe<T> {
    fn of(_: &T) -> Self {
        Self(PhantomData)
    }
}

/// The fallback of the probe. Where the type has the trait, method lookup finds the inherent method; otherwise it finds
/// this one, one reference away.
trait Otherwise {
    fn send(&self) -> &'static str {
        "!Send"
    }
    fn sync(&self) -> &'static str {
        "!Sync"
    }
    fn unpin(&self) -> &'static str {
        "!Unpin"
    }
    fn unwind_safe(&self) -> &'static str {
        "!UnwindSafe"
    }
    fn ref_unwind_safe(&self) -> &'static str {
        "!RefUnwindSafe"
    }
}

impl<T> Otherwise for &Probe<T> {}

impl<T: Send> Probe<T> {
    fn send(&self) -> &'static str {
        "Send"
    }
}

impl<T: Sync> Probe<T> {
    fn sync(&self) -> &'static str {
        "Sync"
    }
}

impl<T: Unpin> Probe<T> {
    fn unpin(&self) -> &'static str {
        "Unpin"
    }
}

impl<T: UnwindSafe> Probe<T> {
    fn unwind_safe(&self) -> &'static str {
        "UnwindSafe"
    }
}

impl<T: RefUnwindSafe> Probe<T> {
    fn ref_unwind_safe(&self) -> &'static str {
        "RefUnwindSafe"
    }
}

macro_rules! check_type {
    ($type:ty, $expected:literal) => {{
        let probe = &Probe::<$type>(PhantomData);
        let threads = [probe.send(), probe.sync(), probe.unpin()];
        let panics = [probe.unwind_safe(), probe.ref_unwind_safe()];
        let found = [threads.join(" "), panics.join(" ")].join(" ");
        assert_eq!(found, $expected, "{}", stringify!($type));
    }};
}

macro_rules! check_value {
    ($value:expr, $expected:literal) => {{
        let value = $value;
        let probe = &Probe::of(&value);
        let found = [probe.send(), probe.sync(), probe.unpin()].join(" ");
        assert_eq!(found, $expected, "{}", stringify!($value));
    }};
}

#[test]
fn the_probe_sees_what_is_missing() {
    check_type!(
        std::rc::Rc<std::cell::Cell<u8>>,
        "!Send !Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(
        std::marker::PhantomPinned,
        "Send Sync !Unpin UnwindSafe RefUnwindSafe"
    );
}

#[test]
fn handles() {
    check_type!(Pool<Sqlite>, "Send Sync Unpin !UnwindSafe !RefUnwindSafe");
    check_type!(Pool<Postgres>, "Send Sync Unpin !UnwindSafe !RefUnwindSafe");
    check_type!(Pool<MySql>, "Send Sync Unpin !UnwindSafe !RefUnwindSafe");
    check_type!(Pool<Any>, "Send Sync Unpin !UnwindSafe !RefUnwindSafe");
    check_type!(
        PoolConnection<Sqlite>,
        "Send Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(
        PoolConnection<Postgres>,
        "Send Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(
        PoolConnection<MySql>,
        "Send Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(
        PoolConnection<Any>,
        "Send !Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(
        Transaction<'static, Sqlite>,
        "Send Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(
        Transaction<'static, Postgres>,
        "Send Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(
        Transaction<'static, MySql>,
        "Send Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(
        Transaction<'static, Any>,
        "Send !Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(
        PoolOptions<Sqlite>,
        "Send Sync Unpin !UnwindSafe !RefUnwindSafe"
    );
    check_type!(CloseEvent, "Send Sync Unpin UnwindSafe RefUnwindSafe");
    check_type!(PgListener, "Send Sync Unpin !UnwindSafe !RefUnwindSafe");
}

#[tokio::test]
async fn futures_of_a_pool() {
    let pool = SqlitePool::connect_lazy("sqlite::memory:").unwrap();
    check_value!(SqlitePool::connect("sqlite::memory:"), "Send !Sync !Unpin");
    check_value!(
        PoolOptions::<Sqlite>::new().connect("sqlite::memory:"),
        "Send !Sync !Unpin"
    );
    check_value!(pool.acquire(), "Send !Sync !Unpin");
    check_value!(pool.begin(), "Send !Sync !Unpin");
    check_value!(pool.begin_with("BEGIN"), "Send !Sync !Unpin");
    check_value!(pool.try_begin(), "Send !Sync !Unpin");
    check_value!(pool.try_begin_with("BEGIN"), "Send !Sync !Unpin");
    check_value!(Acquire::acquire(&pool), "Send !Sync Unpin");
    check_value!(Acquire::begin(&pool), "Send !Sync Unpin");
    check_value!(pool.execute("SELECT 1"), "Send !Sync Unpin");
    check_value!(pool.fetch("SELECT 1"), "Send !Sync Unpin");
    check_value!(sqlx::query("SELECT 1").execute(&pool), "Send !Sync !Unpin");
    check_value!(sqlx::query("SELECT 1").fetch(&pool), "Send !Sync Unpin");
    check_value!(
        sqlx::query_as::<_, (i64,)>("SELECT 1").fetch_one(&pool),
        "Send !Sync !Unpin"
    );
    check_value!(
        sqlx::query_scalar::<_, i64>("SELECT 1").fetch_all(&pool),
        "Send !Sync !Unpin"
    );
    check_value!(
        sqlx::raw_sql("SELECT 1").execute(&pool),
        "Send !Sync !Unpin"
    );
    check_value!(pool.close(), "Send !Sync !Unpin");
}

#[tokio::test]
async fn futures_of_handles() {
    let pool = clinic::open(2).await;
    let mut conn = pool.acquire().await.unwrap();
    check_value!(
        sqlx::query("SELECT 1").execute(&mut *conn),
        "Send !Sync !Unpin"
    );
    check_value!(
        sqlx::query("SELECT 1").fetch(&mut *conn),
        "Send !Sync Unpin"
    );
    check_value!(Acquire::begin(&mut conn), "Send !Sync Unpin");
    check_value!(conn.ping(), "Send Sync !Unpin");
    check_value!(conn.return_to_pool(), "Send !Sync !Unpin");
    let conn = pool.acquire().await.unwrap();
    check_value!(conn.close(), "Send !Sync !Unpin");
    let mut tx = pool.begin().await.unwrap();
    check_value!(
        sqlx::query("SELECT 1").execute(&mut *tx),
        "Send !Sync !Unpin"
    );
    check_value!(tx.fetch("SELECT 1"), "Send !Sync Unpin");
    check_value!(Acquire::begin(&mut tx), "Send !Sync Unpin");
    check_value!(tx.commit(), "Send Sync !Unpin");
    check_value!(pool.begin().await.unwrap().rollback(), "Send Sync !Unpin");
}

#[tokio::test]
async fn futures_of_the_other_databases() {
    let postgres = PgPool::connect_lazy("postgres://127.0.0.1:1/none").unwrap();
    check_value!(postgres.acquire(), "Send !Sync !Unpin");
    check_value!(postgres.begin(), "Send !Sync !Unpin");
    check_value!(postgres.execute("SELECT 1"), "Send !Sync Unpin");
    check_value!(
        postgres.copy_in_raw("COPY t FROM STDIN"),
        "Send !Sync !Unpin"
    );
    check_value!(
        postgres.copy_out_raw("COPY t TO STDOUT"),
        "Send !Sync !Unpin"
    );
    check_value!(PgListener::connect_with(&postgres), "Send !Sync !Unpin");
    let mysql = MySqlPool::connect_lazy("mysql://127.0.0.1:1/none").unwrap();
    check_value!(mysql.acquire(), "Send !Sync !Unpin");
    check_value!(mysql.begin(), "Send !Sync !Unpin");
    check_value!(mysql.execute("SELECT 1"), "Send !Sync Unpin");
}

/// Generic code that spells out the bounds.
async fn in_a_task<T, F>(future: F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    tokio::spawn(future).await.unwrap()
}

async fn generic<DB>(pool: Pool<DB>) -> sqlx::Result<u32>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut tx = pool.begin().await?;
    tx.execute("SELECT 1").await?;
    tx.commit().await?;
    Ok(pool.size())
}

#[tokio::test]
async fn generic_futures_are_send() {
    let pool = clinic::in_memory().await;
    assert_eq!(in_a_task(generic(pool)).await.unwrap(), 1);
}
