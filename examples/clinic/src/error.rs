//! Errors of the clinic.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// The reason for which the service failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot make a temporary directory for the database")]
    TemporaryDirectory(#[source] io::Error),
    // Without the URL: it may contain a password, although it cannot be parsed.
    #[error("cannot read the database's URL")]
    Url(#[source] sqlx::Error),
    #[error("cannot open the database {url}")]
    Open { url: String, source: sqlx::Error },
    #[error("cannot bring the tables up to date")]
    Tables(#[from] MigrateError),
    #[error("cannot write log files in {}", directory.display())]
    Logs {
        directory: PathBuf,
        source: io::Error,
    },
    #[error("there is no exam {0}")]
    NoExam(i64),
    #[error("exam {exam} is for another kind of device: {device} does not measure {kind}")]
    WrongKind {
        device: String,
        exam: i64,
        kind: String,
    },
    #[error("{device} has no licence for {year}")]
    NoLicence { device: String, year: i64 },
    #[error("cannot listen on {address}")]
    Listen { address: String, source: io::Error },
    #[error("the service cannot listen for signals")]
    Signal(#[source] io::Error),
    #[error("cannot talk to {with}")]
    Network {
        with: &'static str,
        source: io::Error,
    },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The error and its causes on one line, outermost first.
pub(crate) fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some of sqlx's messages already contain their cause.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
