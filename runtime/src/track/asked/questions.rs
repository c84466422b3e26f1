//! The questions about types. Each is a constant that exists twice: of the type that asks it, where the bounds hold, and of
//! [`ByDefault`]. The compiler takes the first of them that there is. Method resolution behind references would do the same,
//! and cost the compiler five times as much.

use std::any::type_name;
use std::fmt::Display;
use std::marker::PhantomData;
use std::panic::UnwindSafe;

use crate::track::returned::{Holds, SQLX, hides, of_error, of_plain};

/// The answers of a type for which the bounds of a question do not hold.
pub trait ByDefault {
    /// Whether a value of it may hold a handle.
    const HOLDS: fn() -> Holds = || Holds::Handle;
    /// Whether its values are data.
    const IS_DATA: bool = false;
    /// Whether a handle can be put into a value of it.
    const MAY_HOLD: fn() -> bool = || true;
}

/// Asks whether a value of a type may hold a handle. Handles are not `UnwindSafe`; plain values are. A generic type is not
/// known to be, so it may hold one.
#[derive(Debug)]
pub struct Success<T: ?Sized>(PhantomData<fn() -> *const T>);

impl<T: UnwindSafe + ?Sized> Success<T> {
    /// Of what shows no handle.
    pub const HOLDS: fn() -> Holds = of_plain::<T>;
}

impl<T: ?Sized> ByDefault for Success<T> {}

/// Asks whether the success of a `Result`, or what is in an `Option`, may hold a handle, where only the name of the whole
/// type is written: an alias.
#[derive(Debug)]
pub struct Inside<T>(PhantomData<fn() -> T>);

impl<T: UnwindSafe, E> Inside<Result<T, E>> {
    /// Of what shows no handle.
    pub const HOLDS: fn() -> Holds = of_plain::<T>;
}

impl<T: UnwindSafe> Inside<Option<T>> {
    /// Of what shows no handle.
    pub const HOLDS: fn() -> Holds = of_plain::<T>;
}

impl<T> ByDefault for Inside<T> {}

/// Asks whether the error of a `Result` may hold a handle.
#[derive(Debug)]
pub struct Failure<T>(PhantomData<fn() -> T>);

impl<T, E: Display> Failure<Result<T, E>> {
    /// Of an error that can be shown.
    pub const HOLDS: fn() -> Holds = of_error::<E>;
}

impl<T> ByDefault for Failure<T> {}

/// Asks whether values of a type can be compared. What hides a handle is not data: a `std::sync::Mutex`, the end of a
/// channel and a `JoinHandle` cannot be compared, and are no columns of a row. `Clone` and `Debug` show nothing, because the
/// handle of an actor has them, too.
#[derive(Debug)]
pub struct Compared<T: ?Sized>(PhantomData<fn() -> *const T>);

impl<T: PartialEq + ?Sized> Compared<T> {
    /// They can.
    pub const IS_DATA: bool = true;
}

impl<T: ?Sized> ByDefault for Compared<T> {}

macro_rules! read_from_rows {
    ($($question:ident, $feature:literal, $row:ty, $of:literal;)*) => {$(
        #[doc = concat!("Asks whether values of a type are read from rows of ", $of, ".")]
        #[derive(Debug)]
        pub struct $question<T: ?Sized>(PhantomData<fn() -> *const T>);

        #[cfg(feature = $feature)]
        impl<T: for<'r> sqlx::FromRow<'r, $row>> $question<T> {
            /// They are.
            pub const IS_DATA: bool = true;
        }

        impl<T: ?Sized> ByDefault for $question<T> {}
    )*};
}

read_from_rows! {
    OfPostgres, "postgres", sqlx::postgres::PgRow, "PostgreSQL";
    OfMySql, "mysql", sqlx::mysql::MySqlRow, "MySQL and MariaDB";
    OfSqlite, "_sqlite", sqlx::sqlite::SqliteRow, "SQLite";
    OfAny, "any", sqlx::any::AnyRow, "the driver `Any`";
}

/// Asks whether a handle can be put into a value of a type.
#[derive(Debug)]
pub struct Slot<T: ?Sized>(PhantomData<fn() -> *const T>);

impl<T: UnwindSafe + ?Sized> Slot<T> {
    /// Into one that shows no handle, if it hides one.
    pub const MAY_HOLD: fn() -> bool = hides::<T>;
}

impl<T: ?Sized> ByDefault for Slot<T> {
    /// A handle or a connection is not put into another one.
    const MAY_HOLD: fn() -> bool = || {
        let root = type_name::<T>().split("::").next();
        root.is_none_or(|root| root != "sqlx_leash" && !SQLX.contains(&root))
    };
}
