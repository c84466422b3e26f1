//! Whether a returned value can contain a handle, decided by its type, and whether it is an error.
//!
//! Handles are not `UnwindSafe`; plain values are. The macro `returned!` calls [`Inspect::inspect`] on a [`Value`]
//! behind six references. Method resolution removes them one by one, and takes the first implementation whose bounds
//! hold. A generic type is not known to be `UnwindSafe`, so it may hold a handle.

use std::any::type_name;
use std::fmt::Display;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::mem::{discriminant, needs_drop};
use std::panic::UnwindSafe;

use rustc_hash::FxBuildHasher;

/// A returned value.
#[derive(Debug)]
pub struct Value<'a, T>(pub &'a T);

/// Inspects a returned value by its type.
///
/// All cases implement one trait, because method resolution tries each trait in scope.
pub trait Inspect {
    /// Whether the value may hold a handle, and whether it is an error.
    fn inspect(&self) -> Returned;
}

/// Neither side shows a handle.
impl<T: UnwindSafe, E: Display> Inspect for &&&&&Value<'_, Result<T, E>> {
    fn inspect(&self) -> Returned {
        match self.0 {
            Ok(_) => Returned::known(of_plain::<T>(), false),
            Err(_) => Returned::known(of_error::<E>(), true),
        }
    }
}

/// The error may hold a handle: it is not `Display`.
impl<T: UnwindSafe, E> Inspect for &&&&Value<'_, Result<T, E>> {
    fn inspect(&self) -> Returned {
        match self.0 {
            Ok(_) => Returned::known(of_plain::<T>(), false),
            Err(_) => Returned::known(Holds::Handle, true),
        }
    }
}

/// The success may hold a handle, the error does not show one.
impl<T, E: Display> Inspect for &&&Value<'_, Result<T, E>> {
    fn inspect(&self) -> Returned {
        match self.0 {
            Ok(_) => Returned::known(Holds::Handle, false),
            Err(_) => Returned::known(of_error::<E>(), true),
        }
    }
}

/// Both sides may hold a handle.
impl<T, E> Inspect for &&Value<'_, Result<T, E>> {
    fn inspect(&self) -> Returned {
        Returned::known(Holds::Handle, self.0.is_err())
    }
}

/// An `Option` that does not show a handle. `None` counts as failed, because `?` returns it, too.
impl<T: UnwindSafe> Inspect for &&&Value<'_, Option<T>> {
    fn inspect(&self) -> Returned {
        match self.0 {
            Some(_) => Returned::known(of_plain::<T>(), false),
            None if hides::<T>() => Returned::known(Holds::Handle, true),
            None => Returned::known(Holds::Nothing, true),
        }
    }
}

/// An `Option` that may hold a handle.
impl<T> Inspect for &&Value<'_, Option<T>> {
    fn inspect(&self) -> Returned {
        Returned::known(Holds::Handle, self.0.is_none())
    }
}

/// Any other type that does not show a handle.
impl<T: UnwindSafe> Inspect for &Value<'_, T> {
    fn inspect(&self) -> Returned {
        Returned::known(of_plain::<T>(), failed(self.0))
    }
}

/// Any other type.
impl<T> Inspect for Value<'_, T> {
    fn inspect(&self) -> Returned {
        Returned::known(Holds::Handle, failed(self.0))
    }
}

/// Of a value whose type is spelled with names of std alone. `of_error` is asked where it is an error.
///
/// The type's name shows whether it is of std. Of one that only looks so, nothing is known.
pub(crate) fn of_spelled<T>(value: &T, of_error: impl FnOnce(&str) -> Holds) -> Returned {
    let failed = failed(value);
    let name = type_name::<T>();
    let (success, error) = sides(name).unwrap_or((name, ""));
    let holds = match failed {
        true if !error.is_empty() => of_error(error),
        _ if is_of_std(success) => Holds::Nothing,
        _ => Holds::Handle,
    };
    Returned::known(holds, failed)
}

/// Of an error by the name of its type.
pub(crate) fn of_known_error(name: &str) -> Holds {
    if is_known(name) {
        Holds::Nothing
    } else {
        Holds::Handle
    }
}

/// The names of `T` and `E` in that of a `Result<T, E>`.
fn sides(name: &str) -> Option<(&str, &str)> {
    let arguments = name.strip_prefix("core::result::Result<")?;
    let arguments = arguments.strip_suffix('>')?;
    let mut depth = 0_u32;
    let comma = arguments.find(|c| {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })?;
    let (success, error) = arguments.split_at(comma);
    Some((success, error.trim_start_matches([',', ' '])))
}

/// Whether the name has only types of std that show what they hold.
fn is_of_std(name: &str) -> bool {
    let is_of_std = |path: &str| {
        let root = path.split("::").next().unwrap_or(path);
        matches!(root, "alloc" | "core" | "std") || (root == path && path != "dyn")
    };
    !name.contains("&mut") && !hides_in(name) && paths(name).all(is_of_std)
}

/// Asks whether the error of a `Result` may hold a handle.
#[derive(Debug)]
pub struct Failure<T>(PhantomData<fn() -> T>);

impl<T, E: Display> Failure<Result<T, E>> {
    /// Of an error that can be shown.
    pub const HOLDS: fn() -> Holds = of_error::<E>;
}

/// Of any other type. The compiler takes the constant of [`Failure`] itself where there is one.
pub trait AnyFailure {
    /// An error may hold a handle.
    const HOLDS: fn() -> Holds = || Holds::Handle;
}

impl<T> AnyFailure for Failure<T> {}

/// Of a type that is `UnwindSafe`.
fn of_plain<T>() -> Holds {
    if hides::<T>() {
        Holds::Handle
    } else if !needs_drop::<T>() || is_known(type_name::<T>()) {
        Holds::Nothing
    } else {
        Holds::Hidden
    }
}

/// Of an error that can be shown.
fn of_error<E>() -> Holds {
    if !needs_drop::<E>() || is_known(type_name::<E>()) {
        Holds::Nothing
    } else {
        Holds::Hidden
    }
}

/// Crates whose types hold nothing that their type does not show; and those of sqlx.
const KNOWN: [&str; 6] = ["alloc", "anyhow", "color_eyre", "core", "eyre", "std"];

pub(crate) const SQLX: [&str; 4] = ["sqlx_core", "sqlx_mysql", "sqlx_postgres", "sqlx_sqlite"];

/// Whether the type's name has only types of std, of sqlx and of the crates for errors.
fn is_known(name: &str) -> bool {
    paths(name).all(|path| {
        let root = path.split("::").next().unwrap_or(path);
        root == path || KNOWN.contains(&root) || SQLX.contains(&root)
    })
}

/// The paths in a type's name, without punctuation.
fn paths(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .filter(|path| !path.is_empty())
}

/// Containers that are `UnwindSafe` whatever they contain.
const OPAQUE: [&str; 13] = [
    "AssertUnwindSafe",
    "Mutex",
    "ReentrantLock",
    "RwLock",
    "OnceLock",
    "OnceCell",
    "LazyLock",
    "LazyCell",
    "Sender",
    "SyncSender",
    "Receiver",
    "UnboundedSender",
    "UnboundedReceiver",
];

/// Whether the type's name has such a container of anything but plain values of std.
///
/// The name does not show the fields of the user's own types. `returns_handle` declares a handle in one.
pub(crate) fn hides<T: ?Sized>() -> bool {
    hides_in(type_name::<T>())
}

pub(crate) fn hides_in(name: &str) -> bool {
    let mut opaque = false;
    let mut plain = true;
    for path in paths(name) {
        let last = path.rsplit("::").next().unwrap_or(path);
        if last == "JoinHandle" {
            // The task may hold a handle, whatever its output is.
            return true;
        }
        if OPAQUE.contains(&last) {
            opaque = true;
        } else {
            let root = path.split("::").next().unwrap_or(path);
            plain &= path != "dyn" && (root == last || matches!(root, "core" | "alloc" | "std"));
        }
    }
    opaque && !plain
}

/// What is known of a returned value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Whether it may hold a handle.
    pub(crate) holds: Holds,
    /// Whether it is an `Err` or a `None`, where that is known.
    pub(crate) failed: Option<bool>,
    /// The argument that the function may have put a handle into.
    pub(crate) kept_in: Option<&'static str>,
}

/// Whether a value may hold a handle, by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It cannot.
    Nothing,
    /// Its type shows none, and may hide one: a type of the user's own, with a `Mutex` or the end of a channel inside.
    Hidden,
    /// Its type can hold one.
    Handle,
}

impl Returned {
    /// For a type that is not fully written out, as with `impl Trait`.
    pub const UNKNOWN: Self = Self {
        holds: Holds::Handle,
        failed: None,
        kept_in: None,
    };

    fn known(holds: Holds, failed: bool) -> Self {
        Self {
            holds,
            failed: Some(failed),
            kept_in: None,
        }
    }

    /// Of a value that hides nothing if it `is_data`, unless it is an error.
    #[must_use]
    pub fn unless(self, is_data: impl FnOnce() -> bool) -> Self {
        let is_shown = self.holds == Holds::Hidden && self.failed != Some(true) && is_data();
        let holds = if is_shown { Holds::Nothing } else { self.holds };
        Self { holds, ..self }
    }

    /// The same, where the function may have put a handle into the argument of this name.
    #[must_use]
    pub fn or_kept_in(self, argument: &'static str, may_hold: bool) -> Self {
        let kept_in = self.kept_in.or(may_hold.then_some(argument));
        Self { kept_in, ..self }
    }
}

/// Whether a value whose type turns out to be a `Result` or an `Option` is an `Err` or a `None`.
pub(crate) fn failed<T>(value: &T) -> bool {
    is_err(value) || is_variant(value, &None::<()>)
}

/// Whether a value whose type turns out to be a `Result` is an `Err`.
pub(crate) fn is_err<T>(value: &T) -> bool {
    is_variant(value, &Err::<(), ()>(()))
}

/// Whether two values are the same variant of one generic enum.
fn is_variant<T, U>(one: &T, other: &U) -> bool {
    let without_arguments = |name: &'static str| name.split('<').next();
    // Discriminants of two types cannot be compared. Each hashes as the number of its variant, which is the same for
    // every `T` of an `Option<T>`.
    without_arguments(type_name::<T>()) == without_arguments(type_name::<U>())
        && FxBuildHasher.hash_one(discriminant(one)) == FxBuildHasher.hash_one(discriminant(other))
}

/// Inspects the value that the expression refers to.
#[doc(hidden)]
#[macro_export]
macro_rules! __returned {
    ($value:expr) => {{
        use $crate::__private::Inspect as _;
        (&&&&&&$crate::__private::Value($value)).inspect()
    }};
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use std::collections::HashMap;
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use sqlx::Error;

    use super::{AnyFailure as _, Failure, Holds, Returned, hides_in, of_known_error, of_spelled};
    use crate::__private::returned;

    type Opaque = Box<dyn Fn()>;

    /// An error of the user's own.
    struct Own(String);

    impl fmt::Display for Own {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    fn generic<T>(value: &T) -> Returned {
        returned!(value)
    }

    #[test]
    fn a_result_shows_whether_it_failed() {
        let returned = |holds, failed| Returned {
            holds,
            failed: Some(failed),
            kept_in: None,
        };
        let (nothing, handle) = (Holds::Nothing, Holds::Handle);
        assert_eq!(returned!(&Ok::<u8, String>(1)), returned(nothing, false));
        assert_eq!(
            returned!(&Err::<u8, _>(String::new())),
            returned(nothing, true)
        );
        assert_eq!(
            returned!(&Err::<u8, Opaque>(Box::new(|| ()))),
            returned(handle, true)
        );
        assert_eq!(returned!(&Some(Err::<u8, u8>(1))), returned(nothing, false));
        assert_eq!(
            returned!(&(Box::new(|| ()) as Opaque)),
            returned(handle, false)
        );
        assert_eq!(returned!(&()), returned(nothing, false));
        assert_eq!(returned!(&None::<u8>), returned(nothing, true));
    }

    #[test]
    fn a_generic_value_shows_whether_it_failed() {
        #[track_caller]
        fn check<T>(value: &T, failed: bool) {
            assert_eq!(generic(value).failed, Some(failed));
        }
        check(&Ok::<u8, u8>(1), false);
        check(&Err::<u8, u8>(1), true);
        // Types without a tag: the contents show the variant.
        check(&Ok::<_, ()>(Box::new(1)), false);
        check(&Err::<Box<u8>, ()>(()), true);
        check(&Ok::<(), _>(()).map_err(|()| "no"), false);
        check(&Err::<(), _>("no"), true);
        check(&Err::<Infallible, _>(1), true);
        check(&Ok::<_, Infallible>(1), false);
        check(&Some(&1), false);
        check(&None::<&u8>, true);
        check(&Some(Err::<u8, u8>(1)), false);
        check(&Some(None::<u8>), false);
        // Neither a `Result` nor an `Option`.
        check(&1, false);
        check(&std::cmp::Ordering::Less, false);
        check(&std::ops::ControlFlow::<u8, u8>::Break(1), false);
        check(&[Err::<u8, u8>(1)], false);
    }

    #[test]
    fn a_type_that_is_spelled_with_names_of_std_is_judged_alike() {
        #[track_caller]
        fn check<T>(value: &T, asked: Returned, error: fn() -> Holds) {
            assert_eq!(of_spelled(value, |_| error()), asked);
        }
        macro_rules! check {
            ($value:expr, $type:ty) => {{
                let value: $type = $value;
                check(&value, returned!(&value), Failure::<$type>::HOLDS);
            }};
        }
        type Both<T> = Result<T, Error>;
        check!((), ());
        check!(Some((1, vec![String::new()])), Option<(u8, Vec<String>)>);
        check!(None, Option<Box<str>>);
        check!(Ok(HashMap::new()), Both<HashMap<u8, [i64; 2]>>);
        check!(Ok((1, None)), Both<(u8, Option<Arc<str>>)>);
        check!(Err(Error::RowNotFound), Both<(u8, Option<Arc<str>>)>);
        check!(Ok(Ok(1)), Result<Result<u8, fmt::Error>, String>);
        check!(Err(Own(String::new())), Result<u8, Own>);
        check!(Err(Box::new(|| ())), Result<u8, Opaque>);
        check!(Err(1), Result<(), u8>);
    }

    #[test]
    fn a_type_that_only_looks_like_one_of_std_may_hold() {
        fn holds<T>(value: &T) -> Holds {
            of_spelled(value, of_known_error).holds
        }
        assert_eq!(holds(&Own(String::new())), Holds::Handle);
        assert_eq!(
            holds(&Ok::<_, Error>(vec![Own(String::new())])),
            Holds::Handle
        );
        assert_eq!(holds(&(Box::new(|| ()) as Opaque)), Holds::Handle);
        assert_eq!(holds(&&mut 1), Holds::Handle);
        assert_eq!(holds(&Err::<u8, _>(Own(String::new()))), Holds::Handle);
        assert_eq!(holds(&Err::<u8, _>(Error::RowNotFound)), Holds::Nothing);
        assert_eq!(holds(&Some(Mutex::new(1))), Holds::Nothing);
        assert_eq!(holds(&Mutex::new(Own(String::new()))), Holds::Handle);
    }

    #[test]
    fn an_opaque_container_of_other_than_plain_values_may_hold() {
        assert!(hides_in(
            "alloc::sync::Arc<std::sync::poison::mutex::Mutex<app::UnitOfWork>>"
        ));
        assert!(hides_in(
            "tokio::runtime::task::join::JoinHandle<sqlx_leash::Transaction<Db>>"
        ));
        assert!(hides_in(
            "std::sync::mpsc::Receiver<alloc::boxed::Box<dyn app::Repo>>"
        ));
        assert!(hides_in("tokio::runtime::task::join::JoinHandle<()>"));
        assert!(!hides_in(
            "std::sync::poison::mutex::Mutex<alloc::vec::Vec<(u64, alloc::string::String)>>"
        ));
        assert!(!hides_in("app::Exam"));
    }
}
