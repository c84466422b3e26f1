//! Whether two statements have the same arguments, without keeping or printing any of them.
//!
//! What is compared is a keyed hash of the encoded arguments. The key is random, and lives as long as the process.

use std::any::Any;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::hash::Hasher;
use std::hash::{BuildHasher, DefaultHasher, RandomState};

use once_cell::sync::Lazy;
use sqlx::{Arguments, Database};

use crate::scope::ledger::Identity;

/// Arguments with more encoded bytes than this are not compared.
const MAX_BYTES: usize = 1024;

/// The identity of no arguments at all.
pub(super) const NONE: Identity = Identity::Known(0);

/// The identity of arguments. They are the same afterwards as before.
pub(super) fn identity<DB: Database>(arguments: &mut DB::Arguments) -> Identity {
    if arguments.len() == 0 {
        return NONE;
    }
    let arguments: &mut dyn Any = arguments;
    #[cfg(feature = "postgres")]
    if let Some(arguments) = arguments.downcast_mut::<sqlx::postgres::PgArguments>() {
        return encoded::of_postgres(arguments);
    }
    #[cfg(feature = "mysql")]
    if let Some(arguments) = arguments.downcast_mut::<sqlx::mysql::MySqlArguments>() {
        // Of several, the buffer alone does not show which of them is NULL.
        return if arguments.len() == 1 {
            encoded::of_mysql(arguments)
        } else {
            debug::identity(arguments)
        };
    }
    #[cfg(feature = "_sqlite")]
    if let Some(arguments) = arguments.downcast_mut::<sqlx::sqlite::SqliteArguments>() {
        return encoded::of_sqlite(arguments);
    }
    #[cfg(feature = "any")]
    if let Some(arguments) = arguments.downcast_ref::<sqlx::any::AnyArguments>() {
        return debug::identity(&arguments.values.0);
    }
    let _ = arguments;
    Identity::Unknown
}

fn hasher() -> DefaultHasher {
    static KEY: Lazy<RandomState> = Lazy::new(RandomState::new);
    KEY.build_hasher()
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn hashed(bytes: &[u8]) -> Identity {
    if bytes.len() > MAX_BYTES {
        return Identity::Unknown;
    }
    let mut hasher = hasher();
    hasher.write(bytes);
    Identity::Known(hasher.finish())
}

/// Arguments that show themselves in their debug form only.
#[cfg(any(feature = "mysql", feature = "_sqlite", feature = "any"))]
mod debug {
    use std::fmt::{self, Debug, Write};
    use std::hash::{DefaultHasher, Hasher};

    use super::{Identity, MAX_BYTES, hasher};

    /// As [`MAX_BYTES`]. In this form, a byte of a blob takes up to five.
    const MAX_DEBUG_BYTES: usize = 4 * MAX_BYTES;

    /// The identity of a value by its debug form, which is hashed piece by piece and kept nowhere.
    pub(super) fn identity(value: &impl Debug) -> Identity {
        let mut hashing = Hashing {
            hasher: hasher(),
            left: MAX_DEBUG_BYTES,
        };
        match write!(hashing, "{value:?}") {
            Ok(()) => Identity::Known(hashing.hasher.finish()),
            Err(fmt::Error) => Identity::Unknown,
        }
    }

    /// Hashes the text that is written to it, and fails at the first byte that is too much.
    struct Hashing {
        hasher: DefaultHasher,
        left: usize,
    }

    impl Write for Hashing {
        #[inline]
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.left = self.left.checked_sub(text.len()).ok_or(fmt::Error)?;
            self.hasher.write(text.as_bytes());
            Ok(())
        }
    }
}

/// Drivers hand the whole buffer of encoded arguments to each further argument. This one reads the buffer, and fails: the
/// driver then takes everything back that it has begun.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "_sqlite"))]
mod encoded {
    use std::cell::Cell;
    use std::error::Error;
    use std::fmt;

    use sqlx::encode::IsNull;
    use sqlx::error::BoxDynError;
    use sqlx::{Arguments, Encode, Type};

    use crate::scope::ledger::Identity;

    /// An argument that is never added.
    struct Reader<'a>(&'a Cell<Identity>);

    impl Reader<'_> {
        fn read(&self, identity: Identity) -> Result<IsNull, BoxDynError> {
            self.0.set(identity);
            // Takes no memory: the value has no size.
            Err(Box::new(HasRead))
        }
    }

    /// Why [`Reader`] is not added.
    #[derive(Debug)]
    struct HasRead;

    impl fmt::Display for HasRead {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the arguments were only read")
        }
    }

    impl Error for HasRead {}

    fn read_by<'a, A: Arguments>(arguments: &mut A) -> Identity
    where
        for<'r> Reader<'r>: Encode<'a, A::Database> + Type<A::Database>,
    {
        let seen = Cell::new(Identity::Unknown);
        let _: Result<(), BoxDynError> = arguments.add(Reader(&seen));
        seen.get()
    }

    #[cfg(feature = "postgres")]
    pub(super) fn of_postgres(arguments: &mut sqlx::postgres::PgArguments) -> Identity {
        read_by(arguments)
    }

    #[cfg(feature = "postgres")]
    impl Type<sqlx::Postgres> for Reader<'_> {
        fn type_info() -> sqlx::postgres::PgTypeInfo {
            <i32 as Type<sqlx::Postgres>>::type_info()
        }
    }

    #[cfg(feature = "postgres")]
    impl Encode<'_, sqlx::Postgres> for Reader<'_> {
        fn encode_by_ref(
            &self,
            buffer: &mut sqlx::postgres::PgArgumentBuffer,
        ) -> Result<IsNull, BoxDynError> {
            // The driver has left room for the length of this one.
            self.read(super::hashed(&buffer[..buffer.len().saturating_sub(4)]))
        }
    }

    #[cfg(feature = "mysql")]
    pub(super) fn of_mysql(arguments: &mut sqlx::mysql::MySqlArguments) -> Identity {
        read_by(arguments)
    }

    #[cfg(feature = "mysql")]
    impl Type<sqlx::MySql> for Reader<'_> {
        fn type_info() -> sqlx::mysql::MySqlTypeInfo {
            <i32 as Type<sqlx::MySql>>::type_info()
        }
    }

    #[cfg(feature = "mysql")]
    impl Encode<'_, sqlx::MySql> for Reader<'_> {
        fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
            self.read(super::hashed(buffer))
        }
    }

    #[cfg(feature = "_sqlite")]
    pub(super) fn of_sqlite(arguments: &mut sqlx::sqlite::SqliteArguments) -> Identity {
        read_by(arguments)
    }

    #[cfg(feature = "_sqlite")]
    impl Type<sqlx::Sqlite> for Reader<'_> {
        fn type_info() -> sqlx::sqlite::SqliteTypeInfo {
            <i32 as Type<sqlx::Sqlite>>::type_info()
        }
    }

    #[cfg(feature = "_sqlite")]
    impl Encode<'_, sqlx::Sqlite> for Reader<'_> {
        fn encode_by_ref(
            &self,
            buffer: &mut sqlx::sqlite::SqliteArgumentsBuffer,
        ) -> Result<IsNull, BoxDynError> {
            self.read(super::debug::identity(buffer))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arguments with these values.
    macro_rules! of {
        ($DB:ty; $($value:expr),*) => {{
            let mut arguments = <$DB as Database>::Arguments::default();
            $(arguments.add($value).unwrap();)*
            arguments
        }};
    }

    /// Asserts that a look changes nothing, and that equal arguments are the same and others are not.
    macro_rules! check {
        ($DB:ty, $debug:expr) => {{
            let looked_at = |mut arguments: <$DB as Database>::Arguments| {
                let debug: fn(&<$DB as Database>::Arguments) -> String = $debug;
                let (before, length) = (debug(&arguments), arguments.len());
                let seen = identity::<$DB>(&mut arguments);
                assert_eq!((debug(&arguments), arguments.len()), (before, length));
                assert_eq!(identity::<$DB>(&mut arguments), seen);
                // The driver goes on from where it was.
                arguments.add(1_i32).unwrap();
                assert_eq!(arguments.len(), length + 1);
                seen
            };
            let all = || {
                [
                    of!($DB; 5_i64),
                    of!($DB; 6_i64),
                    of!($DB; "5"),
                    of!($DB; None::<i64>),
                    of!($DB; None::<i64>, 5_i64),
                    of!($DB; 5_i64, None::<i64>),
                    of!($DB; "a", "bc"),
                    of!($DB; "ab", "c"),
                    of!($DB; true, 2.5_f64, vec![1_u8, 2]),
                ]
            };
            let [first, second] = [all(), all()].map(|all| all.map(looked_at));
            assert_eq!(first, second);
            for (index, one) in first.iter().enumerate() {
                assert!(matches!(one, Identity::Known(_)));
                assert!(!first[..index].contains(one), "{index} is like one before");
            }
            assert_eq!(looked_at(of!($DB; vec![7_u8; 4 * MAX_BYTES])), Identity::Unknown);
            assert!(matches!(looked_at(of!($DB; vec![255_u8; 700])), Identity::Known(_)));
            assert_eq!(identity::<$DB>(&mut of!($DB;)), NONE);
        }};
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn of_postgres() {
        check!(sqlx::Postgres, |arguments| format!("{arguments:?}"));
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn of_mysql() {
        check!(sqlx::MySql, |arguments| format!("{arguments:?}"));
    }

    #[cfg(feature = "_sqlite")]
    #[test]
    fn of_sqlite() {
        check!(sqlx::Sqlite, |arguments| format!("{arguments:?}"));
    }

    #[cfg(feature = "any")]
    #[test]
    fn of_any() {
        check!(sqlx::Any, |arguments| format!("{:?}", arguments.values.0));
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn what_only_the_server_knows_stays_open() {
        use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo};
        use sqlx::{Encode, Postgres, Type};

        struct Mood;
        impl Type<Postgres> for Mood {
            fn type_info() -> PgTypeInfo {
                PgTypeInfo::with_name("mood")
            }
        }
        impl PgHasArrayType for Mood {
            fn array_type_info() -> PgTypeInfo {
                PgTypeInfo::with_name("_mood")
            }
        }
        impl Encode<'_, Postgres> for Mood {
            fn encode_by_ref(
                &self,
                buffer: &mut PgArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                buffer.extend_from_slice(b"happy");
                Ok(sqlx::encode::IsNull::No)
            }
        }
        // The driver fills in the number of the element's type when it has asked the server.
        let mut arguments = of!(Postgres; vec![Mood], 5_i64);
        let before = format!("{arguments:?}");
        assert!(before.contains("mood"), "{before}");
        assert!(matches!(
            identity::<Postgres>(&mut arguments),
            Identity::Known(_)
        ));
        assert_eq!(format!("{arguments:?}"), before);
    }
}
