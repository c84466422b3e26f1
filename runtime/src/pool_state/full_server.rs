//! Whether a server refuses a connection because it is full.

use sqlx::Error;
use sqlx::error::DatabaseError;

/// The SQLSTATE of PostgreSQL for too many connections: of the server, a role or a database.
const POSTGRES: &str = "53300";
/// The errors of MySQL and MariaDB: the server has too many connections, or a user has. An error at this stage of a
/// connect may have no SQLSTATE.
#[cfg(feature = "mysql")]
const MYSQL: [u16; 2] = [1040, 1203];
/// A user is over one of the user's limits, which the message names.
#[cfg(feature = "mysql")]
const MYSQL_USER_LIMIT: u16 = 1226;

/// Whether a connect failed with `error` because the server, or the share of it that a role or a database may have, is
/// full.
pub(crate) fn is_full(error: &Error) -> bool {
    error.as_database_error().is_some_and(says_full)
}

fn says_full(error: &dyn DatabaseError) -> bool {
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        let number = error.number();
        return MYSQL.contains(&number)
            // The other limits of a user are on what is done within an hour.
            || number == MYSQL_USER_LIMIT && error.message().contains("max_user_connections");
    }
    error.code().as_deref() == Some(POSTGRES)
}
