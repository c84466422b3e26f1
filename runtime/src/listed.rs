//! The names of sqlx that the documentation lists: those in sqlx's own documentation, less those that tracked ones
//! shadow. Only rustdoc compiles this module.
//!
//! A glob of sqlx would also list the names that sqlx hides. A name that is missing here is re-exported all the same.

#[doc(inline)]
#[cfg(not(feature = "track"))]
pub use sqlx::{Acquire, Connection, Pool, Transaction, pool, prelude};
#[doc(inline)]
pub use sqlx::{
    Arguments, AssertSqlSafe, Column, ColumnIndex, ColumnOrigin, ConnectOptions, Database, Decode,
    Either, Encode, Error, Execute, Executor, FromRow, IntoArguments, QueryBuilder, RawSql, Result,
    Row, SqlSafeStr, SqlStr, Statement, Type, TypeInfo, Value, ValueRef, database, decode, encode,
    error, query, query_as, query_as_with, query_builder, query_scalar, query_scalar_with,
    query_with, raw_sql, types,
};

#[doc(inline)]
#[cfg(feature = "migrate")]
pub use sqlx::migrate;
#[doc(inline)]
#[cfg(any(feature = "macros", feature = "track"))]
pub use sqlx::{
    query_as_unchecked, query_file, query_file_as, query_file_as_unchecked, query_file_scalar,
    query_file_scalar_unchecked, query_file_unchecked, query_scalar_unchecked, query_unchecked,
    test,
};

#[doc(inline)]
#[cfg(feature = "any")]
pub use sqlx::{Any, AnyConnection, AnyExecutor};
#[doc(inline)]
#[cfg(all(feature = "any", not(feature = "track")))]
pub use sqlx::{AnyPool, any};

#[doc(inline)]
#[cfg(feature = "mysql")]
pub use sqlx::{MySql, MySqlConnection, MySqlExecutor};
#[doc(inline)]
#[cfg(all(feature = "mysql", not(feature = "track")))]
pub use sqlx::{MySqlPool, MySqlTransaction, mysql};

#[doc(inline)]
#[cfg(feature = "postgres")]
pub use sqlx::{PgConnection, PgExecutor, Postgres};
#[doc(inline)]
#[cfg(all(feature = "postgres", not(feature = "track")))]
pub use sqlx::{PgPool, PgTransaction, postgres};

#[doc(inline)]
#[cfg(feature = "_sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use sqlx::{Sqlite, SqliteConnection, SqliteExecutor};
#[doc(inline)]
#[cfg(all(feature = "_sqlite", not(feature = "track")))]
pub use sqlx::{SqlitePool, SqliteTransaction, sqlite};
