//! SQLite's result codes for a database or a table that is locked.

use std::fmt;

/// Such a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// Another connection has the lock that is needed.
    Busy,
    /// Another connection repairs the write-ahead log after a crash.
    BusyRecovery,
    /// The transaction has read, and another connection has written since.
    BusySnapshot,
    BusyTimeout,
    /// A table is locked, in this connection or in its shared cache.
    Locked,
    /// The same, and waiting for it would be a deadlock.
    Deadlocked,
    LockedSharedCache,
    LockedVirtualTable,
}

impl Code {
    /// The code of an error, if it is one of these and SQLite's.
    pub(super) fn of(error: &sqlx::Error) -> Option<Self> {
        let error = error.as_database_error()?;
        if !is_sqlite(error) {
            return None;
        }
        Some(match &*error.code()? {
            "5" => Self::Busy,
            "261" => Self::BusyRecovery,
            "517" => Self::BusySnapshot,
            "773" => Self::BusyTimeout,
            "6" if error.message().contains("deadlocked") => Self::Deadlocked,
            "6" => Self::Locked,
            "262" => Self::LockedSharedCache,
            "518" => Self::LockedVirtualTable,
            _ => return None,
        })
    }

    /// Whether it is about a table, which is locked inside this process.
    pub(super) fn is_of_table(self) -> bool {
        matches!(
            self,
            Self::Locked | Self::Deadlocked | Self::LockedSharedCache | Self::LockedVirtualTable
        )
    }

    /// What SQLite says.
    pub(super) fn says(self) -> &'static str {
        match self {
            Self::Deadlocked => "the database is deadlocked",
            _ if self.is_of_table() => "a table is locked",
            _ => "the database is locked",
        }
    }
}

/// The number and its name in SQLite's documentation.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "5, SQLITE_BUSY",
            Self::BusyRecovery => "261, SQLITE_BUSY_RECOVERY",
            Self::BusySnapshot => "517, SQLITE_BUSY_SNAPSHOT",
            Self::BusyTimeout => "773, SQLITE_BUSY_TIMEOUT",
            Self::Locked | Self::Deadlocked => "6, SQLITE_LOCKED",
            Self::LockedSharedCache => "262, SQLITE_LOCKED_SHAREDCACHE",
            Self::LockedVirtualTable => "518, SQLITE_LOCKED_VTAB",
        })
    }
}

/// Whether the error is SQLite's, also behind `Any`. Codes of other databases may be the same numbers.
fn is_sqlite(error: &dyn sqlx::error::DatabaseError) -> bool {
    #[cfg(feature = "_sqlite")]
    {
        error
            .try_downcast_ref::<sqlx::sqlite::SqliteError>()
            .is_some()
    }
    #[cfg(not(feature = "_sqlite"))]
    {
        let _ = error;
        false
    }
}

#[cfg(all(test, feature = "_sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn other_errors_have_no_such_code() {
        for error in [
            sqlx::Error::RowNotFound,
            sqlx::Error::PoolTimedOut,
            sqlx::Error::Protocol("database is locked (code: 5)".to_owned()),
        ] {
            assert_eq!(Code::of(&error), None, "{error}");
        }
    }
}
