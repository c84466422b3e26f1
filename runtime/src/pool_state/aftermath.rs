//! What an error of the server does to the transaction that is open.

use sqlx::error::DatabaseError;

use super::endpoint::System;
use crate::sql::rolls_back_on_conflict;

/// What an error of the server has done to the transaction that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aftermath {
    /// The server refuses every statement until a rollback, also to a savepoint. COMMIT is a rollback that returns `Ok`.
    Refused,
    /// The server has rolled back all of it. Later statements run outside of a transaction.
    RolledBack,
    /// The server may have rolled back all of it. The error does not show that.
    MayBeRolledBack,
}

/// Of MySQL and MariaDB: a deadlock, no memory left for locks, and in MariaDB a row that another transaction has changed
/// since this one has read it.
#[cfg(feature = "mysql")]
const ROLLS_BACK: [u16; 3] = [1213, 1206, 1020];

/// Of SQLite: constraints for which `OR ROLLBACK` counts, which are those of rows alone.
const OF_A_ROW: [u32; 5] = [275, 1299, 1555, 2067, 2579];
/// Of SQLite: no memory, interrupted, an I/O error, a full disk, a constraint with a conflict clause or a trigger.
const MAY_ROLL_BACK: [u32; 5] = [7, 9, 10, 13, 19];

impl System {
    /// What the server has done to an open transaction when it returns `error` for the text `sql`.
    pub(crate) fn aftermath(self, error: &dyn DatabaseError, sql: &str) -> Option<Aftermath> {
        match self {
            System::Postgres => of_postgres(error),
            System::MySql => of_mysql(error),
            System::Sqlite => of_sqlite(error, sql),
            System::Other => None,
        }
    }

    /// Whether a COMMIT that has failed has ended the transaction.
    pub(crate) fn ends_at_failed_commit(self) -> bool {
        self == System::Postgres
    }
}

fn of_postgres(error: &dyn DatabaseError) -> Option<Aftermath> {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        use sqlx::postgres::PgSeverity::{Fatal, Panic};
        if matches!(error.severity(), Fatal | Panic) {
            // The connection is gone, and the commit returns an error as well.
            return None;
        }
    }
    let code = error.code()?;
    // The connection is gone, or no transaction is open.
    let is_none = code.starts_with("57P") || code.starts_with("08") || code == "25P01";
    (!is_none).then_some(Aftermath::Refused)
}

fn of_mysql(error: &dyn DatabaseError) -> Option<Aftermath> {
    // Not by the SQLSTATE 40001, which a program may raise itself: `SIGNAL SQLSTATE '40001'`.
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return ROLLS_BACK
            .contains(&error.number())
            .then_some(Aftermath::RolledBack);
    }
    let _ = error;
    None
}

fn of_sqlite(error: &dyn DatabaseError, sql: &str) -> Option<Aftermath> {
    let code: u32 = error.code()?.parse().ok()?;
    if OF_A_ROW.contains(&code) && rolls_back_on_conflict(sql) {
        return Some(Aftermath::RolledBack);
    }
    MAY_ROLL_BACK
        .contains(&(code & 0xff))
        .then_some(Aftermath::MayBeRolledBack)
}

/// The code of an error: the SQLSTATE, for MySQL and MariaDB with the number of the error before it, or SQLite's code.
pub(crate) fn code_of(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return format!("{} ({code})", error.number());
    }
    code.into_owned()
}

/// Whether `error` is SQLite's answer to the end of a transaction or savepoint that SQLite has ended itself.
pub(crate) fn says_that_none_is_open(error: &dyn DatabaseError) -> bool {
    // The words are a part of SQLite, in this one language.
    let message = error.message();
    message.ends_with("no transaction is active") || message.starts_with("no such savepoint")
}
