//! A wrapper around any executor. It counts the statements of an executor that is not tracked itself.

use std::any::type_name;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Context;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::{Database, Describe, Either, Error, Execute, Executor, SqlStr};

use super::conn::Conn;
use super::driven;
use super::known;
use super::lent::{self, Written};
use super::pool::Pool;
use super::sent::{Passed, Sent};
use super::stream::{Counted, Step};
use crate::config::Spans;
use crate::handle::Handle;
use crate::lifecycle::statement::{self, Prepared, PreparedRows, Running};
use crate::log::spans;
use crate::scope::context::{self, SiteGuard};
use crate::scope::counted;
use crate::scope::ledger::Identity;
use crate::site::{Site, TrackedFn};

/// Wraps the executor of a query in a tracked function.
#[doc(hidden)]
pub struct Tap<E> {
    executor: E,
    /// The call site that makes the stream. sqlx may call the executor later, when that site is no longer the current one.
    /// `None` for the one that is current when the statement is sent.
    site: Option<&'static Site>,
    connection: Connection,
}

/// What is known of the connection of an executor that is not tracked itself.
enum Connection {
    /// The type of the executor is generic in the function.
    Unknown(Written),
    /// A driver's connection, with the handle that has lent it, if one has.
    Plain(Option<Arc<Handle>>),
}

/// A driver's connection as an executor: `&mut PgConnection`.
#[doc(hidden)]
pub trait PlainConnection {
    /// The address of the connection.
    fn address(&self) -> usize;
}

/// The executor of a query in a tracked function, before it is wrapped.
///
/// Its methods `tap` and `tap_stream` exist twice. For a type that is known to be a [`PlainConnection`], the compiler
/// takes the inherent ones, else those of [`TapAny`].
///
/// `inline` is whether the borrow of the connection is made in the expression itself, and `sole` whether all that the
/// function does with the borrowed variable is in sight: queries, and calls that it awaits.
#[doc(hidden)]
#[derive(Debug)]
pub struct Executed<E>(E);

/// Names the executor of a query. A function, because the compiler then suggests a reborrow where the executor is used
/// twice.
#[doc(hidden)]
pub fn executed<E>(executor: E) -> Executed<E> {
    Executed(executor)
}

impl<E: PlainConnection> Executed<E> {
    /// Wraps the executor.
    pub fn tap(self, inline: bool, sole: bool) -> Tap<E> {
        Tap {
            connection: Connection::at(self.0.address(), Written { inline, sole }),
            executor: self.0,
            site: None,
        }
    }

    /// Wraps the executor of a stream that is made at a call site of `function`.
    ///
    /// Makes that site the current one until [`leave`](crate::track::leave).
    pub fn tap_stream(
        self,
        function: &'static TrackedFn,
        site: usize,
        inline: bool,
        sole: bool,
    ) -> Tap<E> {
        Tap {
            connection: Connection::at(self.0.address(), Written { inline, sole }),
            ..tap_stream(function, site, self.0)
        }
    }
}

/// Wraps an executor of any type.
#[doc(hidden)]
pub trait TapAny: Sized {
    /// The executor.
    type Executor;

    /// Wraps the executor.
    fn tap(self, inline: bool, sole: bool) -> Tap<Self::Executor>;

    /// Wraps the executor of a stream that is made at a call site of `function`.
    ///
    /// Makes that site the current one until [`leave`](crate::track::leave).
    fn tap_stream(
        self,
        function: &'static TrackedFn,
        site: usize,
        inline: bool,
        sole: bool,
    ) -> Tap<Self::Executor>;
}

impl<E> TapAny for Executed<E> {
    type Executor = E;

    #[inline]
    fn tap(self, inline: bool, sole: bool) -> Tap<E> {
        Tap {
            connection: Connection::Unknown(Written { inline, sole }),
            ..tap(self.0)
        }
    }

    #[inline]
    fn tap_stream(
        self,
        function: &'static TrackedFn,
        site: usize,
        inline: bool,
        sole: bool,
    ) -> Tap<E> {
        Tap {
            connection: Connection::Unknown(Written { inline, sole }),
            ..tap_stream(function, site, self.0)
        }
    }
}

impl Connection {
    const UNKNOWN: Self = Self::Unknown(Written {
        inline: false,
        sole: false,
    });

    fn at(address: usize, written: Written) -> Self {
        Self::Plain(lent::at(address, written))
    }

    /// Whether the executor `X` is a driver's connection.
    fn is_plain<'c, X: Executor<'c>>(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Unknown(_) => is_plain::<X>(),
        }
    }

    /// The handle that has lent the connection of an executor `X`, which is not tracked itself.
    fn handle<'c, X: Executor<'c>>(self) -> Option<Arc<Handle>> {
        match self {
            Self::Plain(handle) => handle,
            Self::Unknown(written) if is_plain::<X>() => {
                lent::of_generic(known::system::<X::Database>(), written)
            }
            Self::Unknown(_) => None,
        }
    }
}

/// Whether the executor is a driver's connection: `&mut PgConnection`.
fn is_plain<'c, X: Executor<'c>>() -> bool {
    // By name, because neither type need be `'static`.
    let plain = type_name::<&mut <X::Database as Database>::Connection>();
    type_name::<X>() == plain
}

impl<E> fmt::Debug for Tap<E> {
    /// Without the executor: the compiler would ask about its type at each query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").finish_non_exhaustive()
    }
}

/// Wraps the executor of a query.
#[doc(hidden)]
pub fn tap<E>(executor: E) -> Tap<E> {
    Tap {
        executor,
        site: None,
        connection: Connection::UNKNOWN,
    }
}

/// Wraps the executor of a stream that is made at a call site of `function`.
///
/// Makes that site the current one until [`leave`](crate::track::leave).
#[doc(hidden)]
pub fn tap_stream<E>(function: &'static TrackedFn, site: usize, executor: E) -> Tap<E> {
    let site = function.site(site);
    context::enter_site(site);
    Tap {
        executor,
        site: Some(site),
        connection: Connection::UNKNOWN,
    }
}

/// Whether the executor is this crate's own, and counts its statements itself.
fn is_tracked<'c, X: Executor<'c>>() -> bool {
    // By name, as above. The compiler knows the answer.
    let name = type_name::<X>();
    name == type_name::<&Pool<X::Database>>() || name == type_name::<&mut Conn<X::Database>>()
}

impl<'c, X: Executor<'c>> Tap<X> {
    fn set_site(&self) -> Option<SiteGuard> {
        Some(context::set_site(Some(self.site?), None))
    }

    /// Calls an executor that [is tracked](is_tracked). It needs nothing that a wrapper does.
    fn pass_on<T>(self, call: impl FnOnce(X) -> T) -> T {
        let _site = self.set_site();
        // What asks around this wrapper has no answer by that.
        counted::ask_whether_counted(|| call(self.executor)).0
    }

    /// Calls the executor. If it does not count the statement itself, `count` does.
    ///
    /// `direct` and `call` are one method of the executor.
    fn call<'q, Q: Execute<'q, X::Database>, T, P>(
        self,
        prepared: fn() -> P,
        query: Q,
        direct: impl FnOnce(X, Q) -> T,
        call: impl FnOnce(X, Sent<X::Database>) -> T,
        count: impl FnOnce(P, Passed, T, Option<Arc<Handle>>) -> T,
    ) -> T {
        if is_tracked::<X>() {
            return self.pass_on(|executor| direct(executor, query));
        }
        let _site = self.set_site();
        let mut sent = Sent::new(query);
        let is_plain = self.connection.is_plain::<X>();
        let passed = Passed {
            sql: sent.clone_text(),
            // An executor of another kind may count the statement itself, and then looks itself.
            arguments: if is_plain {
                statement::arguments_of(&mut sent)
            } else {
                Identity::Unseen
            },
        };
        let is_spanned = is_plain && spans::are_made_of(Spans::Statements);
        let (called, counted) = spans::outside(is_spanned, || {
            counted::ask_whether_counted(|| call(self.executor, sent))
        });
        if counted {
            called
        } else {
            let handle = self.connection.handle::<X>();
            count(prepared(), passed, called, handle)
        }
    }
}

/// Counts a future as one statement. `note` records the rows of its output.
fn count<'e, DB: Database, T: Send + 'e>(
    prepared: Prepared,
    mut passed: Passed,
    future: BoxFuture<'e, Result<T, Error>>,
    handle: Option<Arc<Handle>>,
    note: fn(&mut Running, &T),
) -> BoxFuture<'e, Result<T, Error>> {
    Box::pin(async move {
        let mut running = prepared.begin(&mut passed, known::system::<DB>(), handle);
        running.shows_no_steps();
        let mut future = driven::future(running.span(), future);
        // The executor may pass the statement on to one that is tracked. That one must not count it again.
        let covered = |cx: &mut Context<'_>| {
            let _covered = counted::mark_counted();
            future.as_mut().poll(cx)
        };
        let result = poll_fn(covered).await;
        let error = match &result {
            // A missing row is no failure of the statement.
            Ok(_) | Err(Error::RowNotFound) => None,
            Err(error) => Some(error),
        };
        if let Ok(output) = &result {
            note(&mut running, output);
        }
        running.end(error);
        result
    })
}

impl<'c, X: Executor<'c>> Executor<'c> for Tap<X> {
    type Database = X::Database;

    fn execute<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<<X::Database as Database>::QueryResult, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, X::Database>,
    {
        self.call(
            Prepared::new,
            query,
            X::execute,
            X::execute,
            |prepared, passed, future, handle| {
                count::<X::Database, _>(prepared, passed, future, handle, |running, result| {
                    running.affected(known::rows_affected::<X::Database>(result));
                })
            },
        )
    }

    fn execute_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<<X::Database as Database>::QueryResult, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, X::Database>,
    {
        if is_tracked::<X>() {
            return self.pass_on(|executor| executor.execute_many(query));
        }
        // Through `fetch_many`, as in sqlx, so that the rows are counted as well.
        let steps = self.fetch_many(query);
        Box::pin(super::stream::picked(steps, Either::left))
    }

    fn fetch<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<<X::Database as Database>::Row, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, X::Database>,
    {
        if is_tracked::<X>() {
            return self.pass_on(|executor| executor.fetch(query));
        }
        let steps = self.fetch_many(query);
        Box::pin(super::stream::picked(steps, Either::right))
    }

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<X::Database>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, X::Database>,
    {
        self.call(
            PreparedRows::new,
            query,
            X::fetch_many,
            X::fetch_many,
            |prepared, mut passed, steps, handle| {
                Box::pin(Counted::<X::Database>::covering(
                    prepared.look_up(&mut passed),
                    handle,
                    steps,
                ))
            },
        )
    }

    fn fetch_all<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Vec<<X::Database as Database>::Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, X::Database>,
    {
        self.call(
            Prepared::new,
            query,
            X::fetch_all,
            X::fetch_all,
            |prepared, passed, future, handle| {
                count::<X::Database, _>(prepared, passed, future, handle, |running, rows| {
                    running.rows(rows.len());
                })
            },
        )
    }

    fn fetch_one<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<<X::Database as Database>::Row, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, X::Database>,
    {
        self.call(
            Prepared::new,
            query,
            X::fetch_one,
            X::fetch_one,
            |prepared, passed, future, handle| {
                count::<X::Database, _>(prepared, passed, future, handle, |running, _| {
                    running.row();
                })
            },
        )
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<<X::Database as Database>::Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, X::Database>,
    {
        self.call(
            Prepared::new,
            query,
            X::fetch_optional,
            X::fetch_optional,
            |prepared, passed, future, handle| {
                count::<X::Database, _>(prepared, passed, future, handle, |running, row| {
                    running.rows(usize::from(row.is_some()));
                })
            },
        )
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<X::Database as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<X::Database as Database>::Statement, Error>>
    where
        'c: 'e,
    {
        self.executor.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<X::Database>, Error>>
    where
        'c: 'e,
    {
        self.executor.describe(sql)
    }
}
