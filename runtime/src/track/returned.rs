//! Whether a value can contain a handle, decided by its type, and whether it is an error.
//!
//! Handles are not `UnwindSafe`, plain values are. Where method resolution finds that a type is, it takes the implementation
//! nearest to the receiver; a generic type is not known to be, and may hold one.

use std::any::type_name;
use std::fmt::Display;
use std::hash::BuildHasher;
use std::mem::discriminant;
use std::panic::UnwindSafe;

use rustc_hash::FxBuildHasher;

/// A value to be judged.
#[derive(Debug)]
pub struct Value<'a, T>(pub &'a T);

/// What the type of a returned value tells. One trait for all of it: the compiler tries each that is in scope.
pub trait Inspect {
    /// What is known of the value.
    fn inspect(&self) -> Returned;
}

/// Neither side can hold one.
impl<T: UnwindSafe, E: Display> Inspect for &&&&&Value<'_, Result<T, E>> {
    fn inspect(&self) -> Returned {
        Returned::told(hides::<T>(), self.0.is_err())
    }
}

/// The error may hold one: it is no error to be shown.
impl<T: UnwindSafe, E> Inspect for &&&&Value<'_, Result<T, E>> {
    fn inspect(&self) -> Returned {
        let failed = self.0.is_err();
        Returned::told(failed || hides::<T>(), failed)
    }
}

/// The success may hold one, the error cannot.
impl<T, E: Display> Inspect for &&&Value<'_, Result<T, E>> {
    fn inspect(&self) -> Returned {
        let failed = self.0.is_err();
        Returned::told(!failed, failed)
    }
}

/// Both sides may hold one.
impl<T, E> Inspect for &&Value<'_, Result<T, E>> {
    fn inspect(&self) -> Returned {
        Returned::told(true, self.0.is_err())
    }
}

/// `?` returns a `None` as well.
impl<T: UnwindSafe> Inspect for &&&Value<'_, Option<T>> {
    fn inspect(&self) -> Returned {
        Returned::told(hides::<T>(), self.0.is_none())
    }
}

/// It may hold one.
impl<T> Inspect for &&Value<'_, Option<T>> {
    fn inspect(&self) -> Returned {
        Returned::told(true, self.0.is_none())
    }
}

/// Any other type that cannot hold one.
impl<T: UnwindSafe> Inspect for &Value<'_, T> {
    fn inspect(&self) -> Returned {
        Returned::told(hides::<T>(), failed(self.0))
    }
}

/// Any other type.
impl<T> Inspect for Value<'_, T> {
    fn inspect(&self) -> Returned {
        Returned::told(true, failed(self.0))
    }
}

/// Containers that are `UnwindSafe` whatever they hold.
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

/// Whether the type names such a container of anything but plain values of std. What stands inside a type of the
/// user's own is not named; `returns_handle` says it.
pub(crate) fn hides<T>() -> bool {
    hides_in(type_name::<T>())
}

pub(crate) fn hides_in(name: &str) -> bool {
    let mut opaque = false;
    let mut plain = true;
    for path in name
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .filter(|path| !path.is_empty())
    {
        let last = path.rsplit("::").next().unwrap_or(path);
        if last == "JoinHandle" {
            // Whoever waits for the task has what the task has, whatever it returns.
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

/// What is known of a value that a function returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// It may hold a handle.
    pub may_hold: bool,
    /// It is an `Err` or a `None`. `None` where that is not known.
    pub failed: Option<bool>,
}

impl Returned {
    /// What is known where part of the type is not told.
    pub const UNKNOWN: Self = Self {
        may_hold: true,
        failed: None,
    };

    fn told(may_hold: bool, failed: bool) -> Self {
        Self {
            may_hold,
            failed: Some(failed),
        }
    }
}

/// Whether a value whose type turns out to be a `Result` or an `Option` is an `Err` or a `None`.
pub(crate) fn failed<T>(value: &T) -> bool {
    is_variant(value, &Err::<(), ()>(())) || is_variant(value, &None::<()>)
}

/// Whether two values are the same variant of one generic enum.
fn is_variant<T, U>(one: &T, other: &U) -> bool {
    let of = |name: &'static str| name.split('<').next();
    // Discriminants of two types cannot be compared. What they hash is the number of the variant, which is the same for
    // each `T` of an `Option<T>`.
    of(type_name::<T>()) == of(type_name::<U>())
        && FxBuildHasher.hash_one(discriminant(one)) == FxBuildHasher.hash_one(discriminant(other))
}

/// What is known of a returned value.
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

    use super::{Returned, hides_in};
    use crate::__private::returned;

    type Opaque = Box<dyn Fn()>;

    fn generic<T>(value: &T) -> Returned {
        returned!(value)
    }

    #[test]
    fn a_result_tells_whether_it_failed() {
        let returned = |may_hold, failed| Returned { may_hold, failed };
        assert_eq!(
            returned!(&Ok::<u8, String>(1)),
            returned(false, Some(false))
        );
        assert_eq!(
            returned!(&Err::<u8, _>(String::new())),
            returned(false, Some(true))
        );
        assert_eq!(
            returned!(&Err::<u8, Opaque>(Box::new(|| ()))),
            returned(true, Some(true))
        );
        assert_eq!(
            returned!(&Some(Err::<u8, u8>(1))),
            returned(false, Some(false))
        );
        assert_eq!(
            returned!(&(Box::new(|| ()) as Opaque)),
            returned(true, Some(false))
        );
        assert_eq!(returned!(&()), returned(false, Some(false)));
        assert_eq!(returned!(&None::<u8>), returned(false, Some(true)));
    }

    #[test]
    fn a_generic_value_tells_whether_it_failed() {
        #[track_caller]
        fn check<T>(value: &T, failed: bool) {
            assert_eq!(generic(value).failed, Some(failed));
        }
        check(&Ok::<u8, u8>(1), false);
        check(&Err::<u8, u8>(1), true);
        // Types whose variants are told apart by what they hold.
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
        // None of either.
        check(&1, false);
        check(&std::cmp::Ordering::Less, false);
        check(&std::ops::ControlFlow::<u8, u8>::Break(1), false);
        check(&[Err::<u8, u8>(1)], false);
    }

    #[test]
    fn opaque_containers_of_what_is_not_plain_may_hold() {
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
