//! The auto traits of tracked types: the same as sqlx's, but never `UnwindSafe`.

use std::marker::PhantomData;
use std::panic::UnwindSafe;

use sqlx::leash::{Conn, PoolExt};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqliteQueryResult, SqliteRow};
use sqlx::{Acquire, Any, MySql, Pool, Postgres, Sqlite, SqlitePool, Transaction};

use crate::common::pool;

/// A type to test for a trait.
struct Probe<T: ?Sized>(PhantomData<T>);

/// Whether `T` has the marker trait. Method resolution prefers the implementation with the bound, where it applies.
macro_rules! has {
    ($marker:ident: $ty:ty) => {{
        #[allow(dead_code, reason = "one of the two is used, depending on the type")]
        trait Has {
            fn has(&self) -> bool {
                true
            }
        }
        impl<T: ?Sized + $marker> Has for &Probe<T> {}
        #[allow(dead_code, reason = "one of the two is used, depending on the type")]
        trait HasNot {
            fn has(&self) -> bool {
                false
            }
        }
        impl<T: ?Sized> HasNot for Probe<T> {}
        (&&Probe::<$ty>(PhantomData)).has()
    }};
}

macro_rules! all {
    ($($ty:ty),* $(,)?) => {
        [$((stringify!($ty), has!(UnwindSafe: $ty), has!(Send: $ty), has!(Sync: $ty), has!(Unpin: $ty))),*]
    };
}

/// The type `Acquired`, whose name is not public.
type Acquired<'c> = <&'c SqlitePool as Acquire<'c>>::Connection;

#[test]
fn handles_are_not_unwind_safe_and_otherwise_as_in_sqlx() {
    let handles = all!(
        PoolConnection<Sqlite>,
        PoolConnection<Postgres>,
        PoolConnection<MySql>,
        PoolConnection<Any>,
        Transaction<'static, Sqlite>,
        Transaction<'static, Postgres>,
        Transaction<'static, MySql>,
        Transaction<'static, Any>,
        Conn<'static, Sqlite>,
        Acquired<'static>,
        futures::stream::BoxStream<'static, SqliteRow>,
    );
    for (name, unwind_safe, send, _, unpin) in handles {
        assert_eq!(
            (unwind_safe, send, unpin),
            (false, true, true),
            "{name}: UnwindSafe, Send, Unpin"
        );
    }
    // sqlx's own connection is `Sync`, so the types that hold it are as well.
    let connection = has!(Sync: SqliteConnection);
    assert!(connection, "the probe finds something");
    assert_eq!(has!(Sync: PoolConnection<Sqlite>), connection);
    assert_eq!(has!(Sync: Transaction<'static, Sqlite>), connection);
    assert_eq!(has!(Sync: Conn<'static, Sqlite>), connection);
    let pools = all!(Pool<Sqlite>, Pool<Postgres>, Pool<MySql>, Pool<Any>);
    for (name, _, send, sync, unpin) in pools {
        assert!(send && sync && unpin, "{name}: Send, Sync, Unpin");
    }
}

/// The attribute knows that a returned value holds no handle by its type being `UnwindSafe`: rows must be.
#[test]
fn rows_are_unwind_safe() {
    for (name, unwind_safe, ..) in all!(
        SqliteRow,
        Vec<SqliteRow>,
        SqliteQueryResult,
        (),
        (i64, String),
        Option<SqliteRow>
    ) {
        assert!(unwind_safe, "{name}");
    }
    for (name, unwind_safe, ..) in all!(
        sqlx::postgres::PgRow,
        sqlx::mysql::MySqlRow,
        sqlx::any::AnyRow
    ) {
        assert!(unwind_safe, "{name}");
    }
}

/// Futures that hold handles across an await can be spawned.
#[tokio::test]
async fn futures_are_send() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    #[sqlx::track]
    async fn holds(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        let mut savepoint = tx.begin().await?;
        sqlx::query("SELECT 1").execute(&mut *savepoint).await?;
        savepoint.commit().await?;
        tx.commit().await
    }
    let pool = pool().await;
    is_send(holds(&pool)).await.unwrap();
}

/// The future that acquires a handle is about as large as sqlx's. Tracking must not multiply its size, because it is
/// part of every caller's future.
#[tokio::test]
async fn futures_are_about_as_large_as_those_of_sqlx() {
    let pool = pool().await;
    let plain = pool.as_sqlx();
    // The tracker's own part of the future: the site, the span, the pool's state.
    let beside = 512;
    let sizes = [
        (
            "acquire",
            size_of_val(&pool.acquire()),
            size_of_val(&plain.acquire()),
        ),
        (
            "begin",
            size_of_val(&pool.begin()),
            size_of_val(&plain.begin()),
        ),
    ];
    for (name, tracked, of_sqlx) in sizes {
        assert!(
            tracked <= of_sqlx + beside,
            "{name}: {tracked} bytes, sqlx's {of_sqlx}: {sizes:?}"
        );
    }
}
