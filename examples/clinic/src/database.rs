//! One pool for three databases.
//!
//! The repositories are written once, against `sqlx::Any`. There are two other ways. Generic over `DB: Database`, every
//! method needs a list of `Encode`, `Type` and `FromRow` bounds that is longer than its body. With a copy of each statement
//! per database, three texts diverge. `Any` needs plain types (`i64`, `f64`, `String`), which measurements are, and the
//! right placeholders, which [`Placeholders`] writes.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::leash::PoolExt;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection, SqlSafeStr, SqlStr};
use tempfile::TempDir;

use crate::args::Args;
use crate::error::Error;

/// The clinic's pool, and how its database writes placeholders.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) pool: AnyPool,
    placeholders: Placeholders,
    /// How long an acquire waits in the pools of single parts of the clinic.
    patience: Duration,
}

impl Store {
    /// Opens a separate pool for a part of the clinic, on the same database.
    pub(crate) async fn apart(&self, name: &str, connections: u32) -> sqlx::Result<Self> {
        let options = self.pool.options().clone();
        let pool = options
            .max_connections(connections)
            .acquire_timeout(self.patience)
            .connect_with((*self.pool.connect_options()).clone())
            .await?;
        Ok(Self {
            pool: pool.named(name),
            ..*self
        })
    }

    /// Whether the clinic stores in SQLite.
    pub(crate) fn is_sqlite(&self) -> bool {
        let options = self.pool.connect_options();
        options.database_url.scheme() == "sqlite"
    }

    /// Rewrites the placeholders `$1`, `$2`, … as this database reads them. Each must occur once and in order.
    pub(crate) fn sql(&self, text: impl Into<Cow<'static, str>>) -> SqlStr {
        let text = text.into();
        // As safe as the callers' texts: only placeholders change.
        AssertSqlSafe(match self.placeholders {
            Placeholders::Numbered => text,
            Placeholders::QuestionMarks => Cow::Owned(question_marks(&text)),
        })
        .into_sql_str()
    }
}

/// How a database writes placeholders. `Any` passes a text on unchanged, so the program has to write them.
#[derive(Clone, Copy, Debug)]
enum Placeholders {
    /// PostgreSQL, and SQLite, which accepts both.
    Numbered,
    /// MySQL and MariaDB.
    QuestionMarks,
}

fn question_marks(text: &str) -> String {
    let mut parts = text.split('$');
    let mut converted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        converted.push('?');
        converted.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    converted
}

/// An open database with its tables up to date.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) store: Store,
    /// Removes the embedded database when the clinic closes.
    _directory: Option<TempDir>,
}

impl Database {
    /// Opens the database at `url`, or an embedded one in a temporary file.
    pub(crate) async fn open(args: &Args) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let (url, directory) = if let Some(url) = &args.database_url {
            (url.clone(), None)
        } else {
            let directory = tempfile::tempdir().map_err(Error::TemporaryDirectory)?;
            let file = directory.path().join("clinic.sqlite");
            (
                format!("sqlite://{}?mode=rwc", file.display()),
                Some(directory),
            )
        };
        let options: AnyConnectOptions = url.parse().map_err(Error::Url)?;
        let store = connect(&options, args)
            .await
            .map_err(|source| Error::Open {
                url: without_password(&options),
                source,
            })?;
        sqlx::migrate!().run(&store.pool).await?;
        Ok(Self {
            store,
            _directory: directory,
        })
    }

    /// Waits until every connection is released, and closes them.
    pub(crate) async fn close(self) {
        self.store.pool.close().await;
    }
}

async fn connect(options: &AnyConnectOptions, args: &Args) -> sqlx::Result<Store> {
    // Once without a pool: where no server listens, a pool retries, and then reports only that it timed out.
    AnyConnection::connect_with(options).await?.close().await?;

    let scheme = options.database_url.scheme();
    let mut pool = AnyPoolOptions::new().max_connections(args.connections);
    if scheme == "sqlite" {
        pool = pool.after_connect(|connection, _| {
            Box::pin(async move {
                // With WAL, one device writes while others read; a second writer waits, and does not fail.
                sqlx::raw_sql(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 20000",
                )
                .execute(connection)
                .await?;
                Ok(())
            })
        });
    }
    Ok(Store {
        pool: pool.connect_with(options.clone()).await?.named("clinic"),
        placeholders: match scheme {
            "mysql" | "mariadb" => Placeholders::QuestionMarks,
            _ => Placeholders::Numbered,
        },
        patience: args.patience(),
    })
}

fn without_password(options: &AnyConnectOptions) -> String {
    let mut url = options.database_url.clone();
    if url.password().is_some() {
        // Fails only for URLs that cannot have a password, and this one has one.
        let _ = url.set_password(Some("***"));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_question_marks(text: &str, expected: &str) {
        assert_eq!(question_marks(text), expected);
    }

    #[test]
    fn numbered_placeholders_become_question_marks() {
        check_question_marks("SELECT 1", "SELECT 1");
        check_question_marks("a = $1 AND b = $2", "a = ? AND b = ?");
        check_question_marks("VALUES ($9, $10), ($11, $12)", "VALUES (?, ?), (?, ?)");
    }

    #[test]
    fn passwords_are_not_shown() {
        let options: AnyConnectOptions = "postgres://eye:secret@db.example/clinic"
            .parse()
            .expect("a URL");
        assert_eq!(
            without_password(&options),
            "postgres://eye:***@db.example/clinic"
        );
    }
}
