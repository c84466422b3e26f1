//! Whether a type of the user's own shows that it is data, which cannot hide a handle.
//!
//! What hides a handle has none of these: a `std::sync::Mutex`, the end of a channel and a `JoinHandle` cannot be
//! compared, and are no columns of a row. `Clone` and `Debug` show nothing, because the handle of an actor has them, too.
//! As in [`returned`](super::returned), method resolution takes the first implementation whose bounds hold.

use std::any::type_name;
use std::marker::PhantomData;
use std::panic::UnwindSafe;

use super::returned::{SQLX, hides};

/// A type.
#[derive(Debug)]
pub struct Part<T: ?Sized>(PhantomData<fn() -> *const T>);

impl<T: ?Sized> Part<T> {
    /// The type itself.
    #[must_use]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: ?Sized> Default for Part<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Part<T> {
    /// The type of a value.
    pub fn of(_: &T) -> Self {
        Self::new()
    }
}

/// The type inside a container of std that hides nothing itself.
pub trait Content {
    /// The type inside, or the type itself.
    type Content;

    /// The type inside, or the type itself.
    fn content(&self) -> Part<Self::Content> {
        Part::new()
    }
}

impl<T, E> Content for &Part<Result<T, E>> {
    type Content = T;
}

impl<T> Content for &Part<Option<T>> {
    type Content = T;
}

impl<T> Content for &Part<Vec<T>> {
    type Content = T;
}

impl<T> Content for &Part<Box<T>> {
    type Content = T;
}

impl<T> Content for Part<T> {
    type Content = T;
}

/// Whether values of a type are data.
pub trait ShowsData {
    /// Whether they are.
    fn shows_data(&self) -> bool {
        true
    }
}

/// Can be compared.
impl<T: PartialEq> ShowsData for &&&&&Part<T> {}

/// Is read from a row.
#[cfg(feature = "postgres")]
impl<'r, T: sqlx::FromRow<'r, sqlx::postgres::PgRow>> ShowsData for &&&&Part<T> {}

/// Is read from a row.
#[cfg(feature = "mysql")]
impl<'r, T: sqlx::FromRow<'r, sqlx::mysql::MySqlRow>> ShowsData for &&&Part<T> {}

/// Is read from a row.
#[cfg(feature = "_sqlite")]
impl<'r, T: sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>> ShowsData for &&Part<T> {}

/// Is read from a row.
#[cfg(feature = "any")]
impl<'r, T: sqlx::FromRow<'r, sqlx::any::AnyRow>> ShowsData for &Part<T> {}

/// Any other type.
impl<T> ShowsData for Part<T> {
    fn shows_data(&self) -> bool {
        false
    }
}

/// Whether values of a type can hold a handle.
pub trait MayHold {
    /// Whether they can.
    fn may_hold(&self) -> bool;
}

impl<T: UnwindSafe + ?Sized> MayHold for &Part<T> {
    fn may_hold(&self) -> bool {
        hides::<T>()
    }
}

/// A handle or a connection is not put into another one.
impl<T: ?Sized> MayHold for Part<T> {
    fn may_hold(&self) -> bool {
        let root = type_name::<T>().split("::").next();
        root.is_none_or(|root| root != "sqlx_leash" && !SQLX.contains(&root))
    }
}

/// Whether the type of the value that the expression refers to shows that it is data, or the type inside: of a `Result`, an
/// `Option`, a `Vec` or a `Box`, up to three of them in each other.
#[doc(hidden)]
#[macro_export]
macro_rules! __shows_data {
    ($value:expr) => {{
        use $crate::__private::{Content as _, ShowsData as _};
        let part = (&&$crate::__private::Part::of($value)).content();
        let part = (&&part).content();
        let part = (&&part).content();
        (&&&&&&part).shows_data()
    }};
}

/// Whether a value of this type can hold a handle.
#[doc(hidden)]
#[macro_export]
macro_rules! __may_hold {
    ($type:ty) => {{
        use $crate::__private::MayHold as _;
        (&&$crate::__private::Part::<$type>::new()).may_hold()
    }};
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::returned::Holds;
    use crate::__private::{may_hold, returned, shows_data};

    /// As the attribute expands it for a type that is not plain to see.
    macro_rules! holds {
        ($value:expr) => {{
            let value = $value;
            returned!(value).unless(|| shows_data!(value)).holds
        }};
    }

    type Opaque = Box<dyn Fn()>;

    /// A type of the user's own, which shows nothing.
    #[derive(Clone, Debug)]
    struct Actor(#[expect(dead_code, reason = "its type counts")] String);

    #[derive(PartialEq)]
    struct Compared(String);

    #[cfg(feature = "_sqlite")]
    #[derive(sqlx::FromRow)]
    struct Row {
        #[expect(dead_code, reason = "read from a row alone")]
        name: String,
    }

    #[derive(Clone, Copy)]
    struct Copied(#[expect(dead_code, reason = "its type counts")] u8);

    fn compared() -> Compared {
        Compared(String::new())
    }

    fn actor() -> Actor {
        Actor(String::new())
    }

    #[test]
    fn what_shows_that_it_is_data_holds_nothing() {
        assert_eq!(holds!(&compared()), Holds::Nothing);
        assert_eq!(holds!(&Copied(1)), Holds::Nothing);
        assert_eq!(holds!(&String::new()), Holds::Nothing);
        assert_eq!(holds!(&vec![(1, "one")]), Holds::Nothing);
        assert_eq!(holds!(&Some(compared())), Holds::Nothing);
        assert_eq!(
            holds!(&(compared(), vec![compared()], Box::new(1))),
            Holds::Nothing
        );
        let nested = Ok::<_, String>(Some(vec![compared()]));
        assert_eq!(holds!(&nested), Holds::Nothing);
        assert_eq!(holds!(&None::<Actor>), Holds::Nothing);
    }

    #[cfg(feature = "_sqlite")]
    #[test]
    fn what_is_read_from_a_row_holds_nothing() {
        let row = || Row {
            name: String::new(),
        };
        assert_eq!(holds!(&row()), Holds::Nothing);
        assert_eq!(holds!(&Some(row())), Holds::Nothing);
        assert_eq!(holds!(&Ok::<_, sqlx::Error>(vec![row()])), Holds::Nothing);
        let nested = Ok::<_, sqlx::Error>(Some(Box::new(row())));
        assert_eq!(holds!(&nested), Holds::Nothing);
    }

    #[test]
    fn a_type_of_the_users_own_may_hide_a_handle() {
        assert_eq!(holds!(&actor()), Holds::Hidden);
        assert_eq!(holds!(&Some(actor())), Holds::Hidden);
        assert_eq!(holds!(&vec![actor()]), Holds::Hidden);
        assert_eq!(holds!(&(1, actor())), Holds::Hidden);
        assert_eq!(holds!(&(compared(), Box::new(actor()))), Holds::Hidden);
        assert_eq!(holds!(&Ok::<_, String>(actor())), Holds::Hidden);
    }

    #[test]
    fn a_mutex_of_the_users_own_type_may_hold_one() {
        assert_eq!(holds!(&Mutex::new(actor())), Holds::Handle);
        assert_eq!(holds!(&None::<Mutex<Actor>>), Holds::Handle);
        assert_eq!(holds!(&(Box::new(|| ()) as Opaque)), Holds::Handle);
    }

    #[cfg(feature = "any")]
    #[test]
    fn a_type_says_whether_its_values_can_hold_a_handle() {
        assert!(!may_hold!(Vec<u8>) && !may_hold!(str) && !may_hold!(Actor));
        assert!(may_hold!(Vec<Opaque>) && may_hold!(Mutex<Actor>) && may_hold!([Opaque]));
        assert!(may_hold!(Option<crate::Transaction<'_, crate::Any>>));
        assert!(!may_hold!(crate::Transaction<'_, crate::Any>));
    }
}
