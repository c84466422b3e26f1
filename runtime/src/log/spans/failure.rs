//! What a span says of a failure.

use sqlx::error::ErrorKind;

/// A description of an error without a word of the server's message: that may have values in it, bound ones included.
///
/// PostgreSQL writes `invalid input syntax for type integer: "…"`, MySQL `Duplicate entry '…'`.
pub(super) fn description(error: &sqlx::Error, kind: &str) -> String {
    match error {
        sqlx::Error::Database(error) => {
            let what = words(&error.kind());
            match error.constraint() {
                Some(constraint) => format!("{what}: {constraint} ({kind})"),
                None => format!("{what} ({kind})"),
            }
        }
        sqlx::Error::PoolTimedOut => "no permit of the pool was free in time".to_owned(),
        sqlx::Error::PoolClosed => "the pool is closed".to_owned(),
        // An I/O error is about the connection alone.
        sqlx::Error::Io(error) => format!("the connection failed: {}", error.kind()),
        _ => format!("the driver reported {kind}"),
    }
}

fn words(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UniqueViolation => "unique constraint violated",
        ErrorKind::ForeignKeyViolation => "foreign key violated",
        ErrorKind::NotNullViolation => "NOT NULL violated",
        ErrorKind::CheckViolation => "check constraint violated",
        ErrorKind::ExclusionViolation => "exclusion constraint violated",
        _ => "the database reported an error",
    }
}
