//! Whether a returned value can contain a handle, by the name of its type, and whether it is an error.
//!
//! What a name does not show, the expansion asks of the type: see [`asked`](super::asked).

use std::any::type_name;
use std::hash::BuildHasher;
use std::mem::{discriminant, needs_drop};

use rustc_hash::FxBuildHasher;

/// Of a value whose type is spelled with names of std alone, with an error that is known.
///
/// The type's name shows whether it is of std. Of one that only looks so, nothing is known.
pub(crate) fn of_spelled<T>(value: &T) -> Returned {
    let failed = failed(value);
    let name = type_name::<T>();
    let (success, error) = sides(name).unwrap_or((name, ""));
    let holds = match failed {
        true if !error.is_empty() => of_known_error(error),
        _ if is_of_std(success) => Holds::Nothing,
        _ => Holds::Handle,
    };
    Returned {
        holds,
        failed: Some(failed),
        kept_in: None,
    }
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
pub(crate) fn sides(name: &str) -> Option<(&str, &str)> {
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
pub(crate) fn is_of_std(name: &str) -> bool {
    let is_of_std = |path: &str| {
        let root = path.split("::").next().unwrap_or(path);
        matches!(root, "alloc" | "core" | "std") || (root == path && path != "dyn")
    };
    !name.contains("&mut") && !hides_in(name) && paths(name).all(is_of_std)
}

/// Of a type that is `UnwindSafe`.
pub(crate) fn of_plain<T: ?Sized>() -> Holds {
    if hides::<T>() {
        Holds::Handle
    } else if !needs_drop::<T>() || is_known(type_name::<T>()) {
        Holds::Nothing
    } else {
        Holds::Hidden
    }
}

/// Of an error that can be shown.
pub(crate) fn of_error<E>() -> Holds {
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
pub(crate) struct Returned {
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
    pub(crate) const UNKNOWN: Self = Self {
        holds: Holds::Handle,
        failed: None,
        kept_in: None,
    };
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use sqlx::Error;

    use super::{Holds, Returned, failed, hides_in, of_spelled};
    use crate::__private::asked;

    type Opaque = Box<dyn Fn()>;

    /// An error of the user's own.
    struct Own(String);

    impl fmt::Display for Own {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    #[test]
    fn a_generic_value_shows_whether_it_failed() {
        #[track_caller]
        fn check<T>(value: &T, expected: bool) {
            assert_eq!(failed(value), expected);
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
        fn check<T>(value: &T, asked: Returned) {
            assert_eq!(of_spelled(value), asked);
            assert_eq!(asked.holds, Holds::Nothing);
        }
        macro_rules! check {
            ($value:expr, $type:ty, $part:ty) => {{
                let value: $type = $value;
                check(&value, asked!([$type] [] [$part => $part] []).of(&value));
            }};
        }
        type Both<T> = Result<T, Error>;
        type Pair = (u8, Option<Arc<str>>);
        check!((), (), ());
        check!(
            Some((1, vec![])),
            Option<(u8, Vec<String>)>,
            (u8, Vec<String>)
        );
        check!(None, Option<Box<str>>, Box<str>);
        check!(Ok(HashMap::new()), Both<HashMap<u8, [i64; 2]>>, HashMap<u8, [i64; 2]>);
        check!(Ok((1, None)), Both<Pair>, Pair);
        check!(Err(Error::RowNotFound), Both<Pair>, Pair);
        check!(Ok(Ok(1)), Result<Result<u8, fmt::Error>, String>, Result<u8, fmt::Error>);
        check!(Err(1), Result<(), u8>, ());
    }

    #[test]
    fn a_type_that_only_looks_like_one_of_std_may_hold() {
        fn holds<T>(value: &T) -> Holds {
            of_spelled(value).holds
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
