//! The databases that can be tracked.

/// Implements [`Backend`](crate::leash::Backend) and the tracked [`Acquire`](crate::Acquire) for a driver:
/// `impl_backend!(MyDb, MyConnection)`.
#[macro_export]
macro_rules! impl_backend {
    ($db:ty, $connection:ty $(,)?) => {
        impl $crate::leash::Backend for $db {
            #[inline]
            fn fetch_many<'e>(
                connection: &'e mut $connection,
                query: $crate::__private::Sent<Self>,
            ) -> $crate::__private::BoxStream<
                'e,
                ::core::result::Result<
                    $crate::Either<
                        <Self as $crate::Database>::QueryResult,
                        <Self as $crate::Database>::Row,
                    >,
                    $crate::Error,
                >,
            > {
                $crate::Executor::fetch_many(connection, query)
            }

            #[inline]
            fn fetch_optional<'e>(
                connection: &'e mut $connection,
                query: $crate::__private::Sent<Self>,
            ) -> $crate::__private::BoxFuture<
                'e,
                ::core::result::Result<
                    ::core::option::Option<<Self as $crate::Database>::Row>,
                    $crate::Error,
                >,
            > {
                $crate::Executor::fetch_optional(connection, query)
            }

            #[inline]
            fn prepare_with<'e>(
                connection: &'e mut $connection,
                sql: $crate::SqlStr,
                parameters: &'e [<Self as $crate::Database>::TypeInfo],
            ) -> $crate::__private::BoxFuture<
                'e,
                ::core::result::Result<<Self as $crate::Database>::Statement, $crate::Error>,
            > {
                $crate::Executor::prepare_with(connection, sql, parameters)
            }

            #[inline]
            fn describe<'e>(
                connection: &'e mut $connection,
                sql: $crate::SqlStr,
            ) -> $crate::__private::BoxFuture<
                'e,
                ::core::result::Result<$crate::Describe<Self>, $crate::Error>,
            > {
                $crate::Executor::describe(connection, sql)
            }
        }

        impl $crate::leash::AnyConn<$db> for $connection {
            fn lent(&self) -> &$connection {
                self
            }

            fn lend(&mut self) -> &mut $connection {
                self
            }

            fn tracked(&mut self) -> $crate::__private::Tracked<'_, $db> {
                $crate::__private::tracked_borrowed(self)
            }
        }

        impl $crate::__private::PlainConnection for &mut $connection {
            #[inline]
            fn address(&self) -> usize {
                ::core::ptr::from_ref::<$connection>(self).addr()
            }
        }

        impl<'c> $crate::Acquire<'c> for &'c mut $connection {
            type Database = $db;
            type Connection = &'c mut (dyn $crate::leash::AnyConn<$db> + 'c);

            fn acquire(
                self,
            ) -> $crate::__private::BoxFuture<
                'c,
                ::core::result::Result<Self::Connection, $crate::Error>,
            > {
                ::std::boxed::Box::pin(::core::future::ready(::core::result::Result::Ok(
                    self as Self::Connection,
                )))
            }

            fn begin(
                self,
            ) -> $crate::__private::BoxFuture<
                'c,
                ::core::result::Result<$crate::Transaction<'c, $db>, $crate::Error>,
            > {
                $crate::__private::begin_borrowed(self)
            }
        }
    };
}

#[cfg(feature = "postgres")]
impl_backend!(sqlx::Postgres, sqlx::PgConnection);
#[cfg(feature = "mysql")]
impl_backend!(sqlx::MySql, sqlx::MySqlConnection);
#[cfg(feature = "_sqlite")]
impl_backend!(sqlx::Sqlite, sqlx::SqliteConnection);
#[cfg(feature = "any")]
impl_backend!(sqlx::Any, sqlx::AnyConnection);
