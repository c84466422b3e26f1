//! The operations of a driver that the tracked executors need.

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::{Database, Describe, Either, Error, SqlStr};

use super::sent::Sent;

/// A database whose pools can be tracked. Code that is generic over the database needs this bound, beside sqlx's own,
/// to execute on `&Pool<DB>`.
///
/// It is implemented for all of sqlx's databases. A third-party driver implements it with
/// [`impl_backend!`](crate::impl_backend).
///
/// The methods forward to the driver. An implementation of `Executor` cannot call the driver's by a bound
/// `&mut DB::Connection: Executor`: such a bound makes the compiler overflow in crates that merely have this one in
/// their dependency graph.
#[diagnostic::on_unimplemented(
    message = "with the feature `track`, code generic over the database needs the bound `{Self}: leash::Backend`",
    label = "`{Self}` may be a database that is not tracked",
    note = "write `{Self}: sqlx::Database + sqlx::leash::Backend`; the bound holds without `track`, too",
    note = "a third-party database implements it by `sqlx::impl_backend!`"
)]
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
