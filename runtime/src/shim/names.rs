//! The names of sqlx that are shadowed, module by module.

/// sqlx's `pool`, with the tracked types in place of its own.
pub mod pool {
    pub use super::super::{Pool, PoolConnection, PoolOptions};
    pub use sqlx::pool::*;

    /// A connection, pooled or borrowed.
    pub type MaybePoolConnection<'c, DB> = super::super::Conn<'c, DB>;
}

/// sqlx's `prelude`, with the tracked traits in place of its own.
pub mod prelude {
    pub use super::super::{Acquire, Connection};
    pub use sqlx::prelude::*;
}

/// sqlx's `testing`, which passes tracked pools to the tests.
#[cfg(feature = "migrate")]
#[doc(hidden)]
pub mod testing {
    pub use super::super::testing_fn::TestFn;
    pub use sqlx::testing::*;
}

/// sqlx's `postgres`, with the tracked types in place of its own.
#[cfg(feature = "postgres")]
pub mod postgres {
    pub use super::super::copy::{PgCopyIn, PgPoolCopyExt, PgPoolCopyIn};
    pub use super::super::listener::PgListener;
    pub use super::{PgPool, PgPoolOptions, PgTransaction};
    pub use sqlx::postgres::*;
}

/// sqlx's `mysql`, with the tracked types in place of its own.
#[cfg(feature = "mysql")]
pub mod mysql {
    pub use super::{MySqlPool, MySqlPoolOptions, MySqlTransaction};
    pub use sqlx::mysql::*;
}

/// sqlx's `sqlite`, with the tracked types in place of its own.
#[cfg(feature = "_sqlite")]
pub mod sqlite {
    pub use super::{SqlitePool, SqlitePoolOptions, SqliteTransaction};
    pub use sqlx::sqlite::*;
}

/// sqlx's `any`, with the tracked types in place of its own.
#[cfg(feature = "any")]
pub mod any {
    pub use super::AnyPoolOptions;
    pub use sqlx::any::*;
}

/// A tracked pool of PostgreSQL connections.
#[cfg(feature = "postgres")]
pub type PgPool = super::Pool<sqlx::Postgres>;
/// Options of a tracked pool of PostgreSQL connections.
#[cfg(feature = "postgres")]
pub type PgPoolOptions = super::PoolOptions<sqlx::Postgres>;
/// A tracked PostgreSQL transaction.
#[cfg(feature = "postgres")]
pub type PgTransaction<'c> = super::Transaction<'c, sqlx::Postgres>;

/// A tracked pool of MySQL connections.
#[cfg(feature = "mysql")]
pub type MySqlPool = super::Pool<sqlx::MySql>;
/// Options of a tracked pool of MySQL connections.
#[cfg(feature = "mysql")]
pub type MySqlPoolOptions = super::PoolOptions<sqlx::MySql>;
/// A tracked MySQL transaction.
#[cfg(feature = "mysql")]
pub type MySqlTransaction<'c> = super::Transaction<'c, sqlx::MySql>;

/// A tracked pool of SQLite connections.
#[cfg(feature = "_sqlite")]
pub type SqlitePool = super::Pool<sqlx::Sqlite>;
/// Options of a tracked pool of SQLite connections.
#[cfg(feature = "_sqlite")]
pub type SqlitePoolOptions = super::PoolOptions<sqlx::Sqlite>;
/// A tracked SQLite transaction.
#[cfg(feature = "_sqlite")]
pub type SqliteTransaction<'c> = super::Transaction<'c, sqlx::Sqlite>;

/// A tracked pool whose URL selects the database.
#[cfg(feature = "any")]
pub type AnyPool = super::Pool<sqlx::Any>;
/// Options of a tracked pool whose URL selects the database.
#[cfg(feature = "any")]
pub type AnyPoolOptions = super::PoolOptions<sqlx::Any>;
