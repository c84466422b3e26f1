//! What the tracked face needs of a driver.

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::{Database, Describe, Either, Error, SqlStr};

use super::sent::Sent;

/// A database whose pools can be tracked: what code generic over the database needs, beside sqlx's own bounds, to execute
/// on `&Pool<DB>`.
///
/// Implemented for all of sqlx's databases. Its methods forward to the driver; they exist because a bound
/// `&mut DB::Connection: Executor` in an implementation of `Executor` makes the compiler overflow in crates that never heard
/// of this one. A third-party driver implements it with [`impl_backend!`](crate::impl_backend).
pub trait Backend: Database {
    /// Forwards to the connection's `Executor::fetch_many`.
    #[doc(hidden)]
    fn fetch_many<'e>(
        connection: &'e mut Self::Connection,
        query: Sent<Self>,
    ) -> BoxStream<'e, Result<Either<Self::QueryResult, Self::Row>, Error>>;

    /// Forwards to the connection's `Executor::fetch_optional`.
    #[doc(hidden)]
    fn fetch_optional<'e>(
        connection: &'e mut Self::Connection,
        query: Sent<Self>,
    ) -> BoxFuture<'e, Result<Option<Self::Row>, Error>>;

    /// Forwards to the connection's `Executor::prepare_with`.
    #[doc(hidden)]
    fn prepare_with<'e>(
        connection: &'e mut Self::Connection,
        sql: SqlStr,
        parameters: &'e [Self::TypeInfo],
    ) -> BoxFuture<'e, Result<Self::Statement, Error>>;

    /// Forwards to the connection's `Executor::describe`.
    #[doc(hidden)]
    fn describe<'e>(
        connection: &'e mut Self::Connection,
        sql: SqlStr,
    ) -> BoxFuture<'e, Result<Describe<Self>, Error>>;
}
