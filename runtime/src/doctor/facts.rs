//! What the answers of a server mean, whichever server it is.

use std::time::Duration;

/// What is known, or why it is not.
pub(super) type Known<T> = Result<T, String>;

/// What a server says about itself and about a session.
#[derive(Debug)]
pub(super) struct Facts {
    /// Product and version.
    pub(super) version: Option<String>,
    /// After which time without a statement the server ends a session. `None`: never.
    pub(super) idle: Known<Option<TimeLimit>>,
    /// The same inside a transaction.
    pub(super) idle_in_transaction: Known<Option<TimeLimit>>,
    /// After which time the server cancels a statement.
    pub(super) statement: Known<Option<TimeLimit>>,
    pub(super) server: Known<Room>,
    pub(super) user: Known<Room>,
    /// `None`: this server has no such limit.
    pub(super) database: Option<Known<Room>>,
    /// What proves that a pooler is in between, if something does.
    pub(super) pooler: Known<Option<String>>,
    /// What a pooler hides.
    pub(super) hidden: &'static str,
    pub(super) names: Names,
}

/// The names of the server's variables for its limits.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) idle: &'static str,
    pub(super) idle_in_transaction: &'static str,
    pub(super) statement: &'static str,
}

impl Facts {
    /// Whether a pooler is certainly in between.
    pub(super) fn has_pooler(&self) -> bool {
        matches!(self.pooler, Ok(Some(_)))
    }
}

/// A limit on a time.
#[derive(Debug)]
pub(super) struct TimeLimit {
    /// The name of the server's variable.
    pub(super) name: String,
    pub(super) time: Duration,
    /// What has set it, in words, if that is known.
    pub(super) source: Option<&'static str>,
    /// The statement, or the connect option, that sets another time.
    pub(super) set: fn(&Place, &str, Duration) -> String,
    pub(super) place: Place,
}

impl TimeLimit {
    /// Its name, and what has set it.
    pub(super) fn label(&self) -> String {
        match self.source {
            Some(source) => format!("{} ({source})", self.name),
            None => self.name.clone(),
        }
    }

    /// What to write to have `time` instead.
    pub(super) fn set_to(&self, time: Duration) -> String {
        (self.set)(&self.place, &self.name, time)
    }
}

/// Where a setting is written.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Role(String),
    Database(String),
    RoleInDatabase(String, String),
    ConnectOptions,
    Server,
}

/// How many connections a server grants: all, or those of a user or a database.
#[derive(Debug)]
pub(super) struct Room {
    /// The name of the limit.
    pub(super) name: String,
    /// `None`: there is no limit of this kind.
    pub(super) limit: Option<u64>,
    /// The connections that count against the limit now, the doctor's own included.
    pub(super) used: Known<u64>,
    /// The statement that sets another limit, without the number at its end.
    pub(super) raise: String,
    /// The connections of the limit as it is written that are kept for others.
    pub(super) kept_back: u64,
}
