//! What the expansion asks of the type of a returned value, where that is not spelled with names of std.
//!
//! It asks when the value is judged. What is asked are the constants in [`questions`].

use std::any::type_name;
use std::iter;

use super::returned::{Holds, Returned, failed, is_of_std, of_known_error, sides};

pub(crate) mod questions;

/// What was asked of the type of a returned value.
#[derive(Debug)]
pub struct Asked {
    /// Of the error, where the type is a `Result` with an error that is not known.
    error: Option<Holds>,
    /// Of the success, or of what is in an `Option`, where the type may be an alias.
    inside: Option<Holds>,
    /// Of the types that the returned one may be, or may have in a `Result` or an `Option`.
    parts: Vec<Part>,
    /// The argument into which the function may have put a handle.
    kept_in: Option<&'static str>,
}

/// What was asked of a type.
#[derive(Debug)]
pub struct Part {
    name: &'static str,
    holds: Holds,
    /// The type inside its containers.
    content: &'static str,
    is_data: bool,
}

impl Part {
    /// The type `T`, with the content `C`.
    pub fn new<T: ?Sized, C: ?Sized>(holds: fn() -> Holds, is_data: bool) -> Self {
        Self {
            name: type_name::<T>(),
            holds: holds(),
            content: type_name::<C>(),
            is_data,
        }
    }
}

impl Asked {
    /// The answers: of the error and of the success, if these were asked by the whole type; of the types; and of the
    /// arguments into which the function may have put a handle.
    #[must_use]
    pub fn new<const E: usize, const I: usize, const P: usize, const S: usize>(
        error: [fn() -> Holds; E],
        inside: [fn() -> Holds; I],
        parts: [Part; P],
        slots: [(&'static str, fn() -> bool); S],
    ) -> Self {
        let mut slots = slots.into_iter();
        Self {
            error: error.first().map(|holds| holds()),
            inside: inside.first().map(|holds| holds()),
            parts: parts.into(),
            kept_in: slots.find_map(|(argument, may_hold)| may_hold().then_some(argument)),
        }
    }

    /// What is known of the value.
    ///
    /// The expansion asks of the types as they are written, where an alias may hide a `Result`. The name of the whole type
    /// shows which of the answers is about what was returned.
    pub(crate) fn of<T>(&self, value: &T) -> Returned {
        let failed = failed(value);
        let name = type_name::<T>();
        let holds = match sides(name) {
            Some((_, error)) if failed => self.error.unwrap_or_else(|| of_known_error(error)),
            Some((success, _)) => self.of_success(success, false),
            None => {
                let success = inside(name, "core::option::Option<").unwrap_or(name);
                self.of_success(success, failed)
            }
        };
        Returned {
            holds,
            failed: Some(failed),
            kept_in: self.kept_in,
        }
    }

    /// Of the success of a `Result`, what is in an `Option`, or of any other value. `None` holds nothing of a type that
    /// shows no handle.
    fn of_success(&self, name: &str, is_none: bool) -> Holds {
        let part = self.parts.iter().find(|part| part.name == name);
        let holds = match part {
            Some(part) => part.holds,
            None if is_of_std(name) => Holds::Nothing,
            None => self.inside.unwrap_or(Holds::Handle),
        };
        match holds {
            Holds::Hidden if is_none || self.is_data(name) => Holds::Nothing,
            holds => holds,
        }
    }

    /// Whether a type shows that its values are data, or the type inside, of up to three containers in each other.
    fn is_data(&self, name: &str) -> bool {
        let insides = iter::successors(Some(name), |name| content(name)).take(4);
        let is_data = |name: &str| {
            let mut parts = self.parts.iter();
            parts.any(|part| part.is_data && part.content == name)
        };
        insides.into_iter().any(is_data)
    }
}

/// The name of the type inside a container of std that hides nothing itself.
fn content(name: &str) -> Option<&str> {
    [
        "core::option::Option<",
        "alloc::vec::Vec<",
        "alloc::boxed::Box<",
    ]
    .into_iter()
    .find_map(|container| inside(name, container))
    .or_else(|| Some(sides(name)?.0))
}

fn inside<'a>(name: &'a str, container: &str) -> Option<&'a str> {
    name.strip_prefix(container)?.strip_suffix('>')
}

/// Asks what the expansion wants to know:
///
/// 1. the whole type, if its error is not known;
/// 2. the same, if it may be an alias of a `Result` or an `Option`;
/// 3. the types that the returned one may be or may have inside, each with its content;
/// 4. the arguments into which the function may have put a handle, with their types.
#[doc(hidden)]
#[macro_export]
macro_rules! __asked {
    ([$($whole:ty)?] [$($alias:ty)?] [$($part:ty => $content:ty),*] [$($argument:literal: $slot:ty),*]) => {{
        #[allow(unused_imports)]
        use $crate::__private::ByDefault as _;
        $crate::__private::Asked::new(
            [$($crate::__private::Failure::<$whole>::HOLDS)?],
            [$($crate::__private::Inside::<$alias>::HOLDS)?],
            [$(
                $crate::__private::Part::new::<$part, $content>(
                    $crate::__private::Success::<$part>::HOLDS,
                    $crate::__private::Compared::<$content>::IS_DATA
                        || $crate::__private::OfPostgres::<$content>::IS_DATA
                        || $crate::__private::OfMySql::<$content>::IS_DATA
                        || $crate::__private::OfSqlite::<$content>::IS_DATA
                        || $crate::__private::OfAny::<$content>::IS_DATA,
                )
            ),*],
            [$(($argument, $crate::__private::Slot::<$slot>::MAY_HOLD)),*],
        )
    }};
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use crate::__private::asked;
    use crate::track::returned::Holds;

    /// As the attribute expands it for a value of the first type, which may be or have the second, with the content of the
    /// third.
    macro_rules! holds_inside {
        ($whole:ty, $part:ty => $content:ty, $value:expr) => {{
            let value: $whole = $value;
            asked!([$whole] [] [$part => $content] []).of(&value).holds
        }};
    }

    macro_rules! holds {
        ($type:ty, $value:expr) => {
            holds_inside!($type, $type => $type, $value)
        };
    }

    macro_rules! may_hold {
        ($type:ty) => {
            asked!([] [] [] ["slot": $type]).kept_in.is_some()
        };
    }

    type Opaque = Box<dyn Fn()>;
    type Outcome<T> = Result<T, String>;

    /// A type of the user's own, which shows nothing.
    #[derive(Clone, Debug)]
    struct Actor(#[expect(dead_code, reason = "its type counts")] String);

    #[derive(PartialEq)]
    struct Data(String);

    #[cfg(feature = "_sqlite")]
    #[derive(sqlx::FromRow)]
    struct Row {
        #[expect(dead_code, reason = "read from a row alone")]
        name: String,
    }

    #[derive(Clone, Copy)]
    struct Copied(#[expect(dead_code, reason = "its type counts")] u8);

    fn data() -> Data {
        Data(String::new())
    }

    fn actor() -> Actor {
        Actor(String::new())
    }

    #[test]
    fn what_shows_that_it_is_data_holds_nothing() {
        assert_eq!(holds!(Data, data()), Holds::Nothing);
        assert_eq!(holds!(Copied, Copied(1)), Holds::Nothing);
        assert_eq!(holds!(String, String::new()), Holds::Nothing);
        assert_eq!(holds!(Vec<(u8, Data)>, vec![(1, data())]), Holds::Nothing);
        let tuple = (data(), vec![data()], Box::new(1));
        assert_eq!(holds!((Data, Vec<Data>, Box<u8>), tuple), Holds::Nothing);
    }

    #[test]
    fn what_is_inside_shows_it_as_well() {
        assert_eq!(
            holds_inside!(Option<Data>, Data => Data, Some(data())),
            Holds::Nothing
        );
        assert_eq!(
            holds_inside!(Result<Option<Vec<Data>>, String>, Option<Vec<Data>> => Data, Ok(Some(vec![data()]))),
            Holds::Nothing
        );
        assert_eq!(
            holds_inside!(Outcome<Vec<Data>>, Vec<Data> => Data, Ok(vec![data()])),
            Holds::Nothing
        );
        assert_eq!(
            holds_inside!(Option<Actor>, Actor => Actor, None),
            Holds::Nothing
        );
    }

    #[cfg(feature = "_sqlite")]
    #[test]
    fn what_is_read_from_a_row_holds_nothing() {
        let row = || Row {
            name: String::new(),
        };
        assert_eq!(holds!(Row, row()), Holds::Nothing);
        assert_eq!(
            holds_inside!(Option<Row>, Row => Row, Some(row())),
            Holds::Nothing
        );
        assert_eq!(
            holds_inside!(sqlx::Result<Vec<Row>>, Vec<Row> => Row, Ok(vec![row()])),
            Holds::Nothing
        );
        assert_eq!(
            holds_inside!(sqlx::Result<Option<Box<Row>>>, Option<Box<Row>> => Row, Ok(Some(Box::new(row())))),
            Holds::Nothing
        );
    }

    #[test]
    fn a_type_of_the_users_own_may_hide_a_handle() {
        assert_eq!(holds!(Actor, actor()), Holds::Hidden);
        assert_eq!(
            holds_inside!(Option<Actor>, Actor => Actor, Some(actor())),
            Holds::Hidden
        );
        assert_eq!(
            holds_inside!(Vec<Actor>, Vec<Actor> => Actor, vec![actor()]),
            Holds::Hidden
        );
        assert_eq!(holds!((u8, Actor), (1, actor())), Holds::Hidden);
        assert_eq!(
            holds!((Data, Box<Actor>), (data(), Box::new(actor()))),
            Holds::Hidden
        );
        assert_eq!(
            holds_inside!(Outcome<Actor>, Actor => Actor, Ok(actor())),
            Holds::Hidden
        );
    }

    #[test]
    fn a_mutex_of_the_users_own_type_may_hold_one() {
        assert_eq!(holds!(Mutex<Actor>, Mutex::new(actor())), Holds::Handle);
        assert_eq!(
            holds_inside!(Option<Mutex<Actor>>, Mutex<Actor> => Mutex<Actor>, None),
            Holds::Handle
        );
        assert_eq!(holds!(Opaque, Box::new(|| ())), Holds::Handle);
    }

    #[test]
    fn an_answer_counts_for_the_type_that_was_asked_alone() {
        // As for an alias whose argument is something else than what is returned.
        assert_eq!(
            holds_inside!(Vec<Mutex<Actor>>, Actor => Actor, Vec::new()),
            Holds::Handle
        );
        assert_eq!(
            holds_inside!(Outcome<(u8, Actor)>, (u8, Actor) => Data, Ok((1, actor()))),
            Holds::Hidden
        );
    }

    #[test]
    fn an_alias_is_asked_for_what_is_inside() {
        type Alias = Result<Actor, Opaque>;
        type OfHandle = Result<Opaque, String>;
        type Maybe = Option<Actor>;
        let holds = |value: &Alias| asked!([Alias] [Alias] [Alias => Alias] []).of(value).holds;
        assert_eq!(holds(&Ok(actor())), Holds::Hidden);
        assert_eq!(holds(&Err(Box::new(|| ()))), Holds::Handle);
        let value: OfHandle = Ok(Box::new(|| ()));
        let asked = asked!([OfHandle] [OfHandle] [OfHandle => OfHandle] []);
        assert_eq!(asked.of(&value).holds, Holds::Handle);
        let asked = || asked!([Maybe] [Maybe] [Maybe => Maybe] []);
        assert_eq!(asked().of(&Some(actor())).holds, Holds::Hidden);
        assert_eq!(asked().of(&None::<Actor>).holds, Holds::Nothing);
        // Of a type that is no alias, the answer is its own.
        let asked = asked!([Actor] [Actor] [Actor => Actor] []);
        assert_eq!(asked.of(&actor()).holds, Holds::Hidden);
    }

    #[test]
    fn an_error_may_hold_what_it_does_not_show() {
        assert_eq!(
            holds_inside!(Result<Data, Opaque>, Data => Data, Err(Box::new(|| ()))),
            Holds::Handle
        );
        assert_eq!(
            holds_inside!(Outcome<Opaque>, Opaque => Opaque, Err(String::new())),
            Holds::Nothing
        );
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
