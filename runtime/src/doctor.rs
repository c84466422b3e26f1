//! Compares the options of a pool with what its server answers. Nothing here asks a server: the answers are plain data.

mod answers;
mod facts;
mod idle;
mod lints;
mod mysql;
mod pooler;
mod postgres;
mod rooms;
mod sqlite;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::snapshot::{Check, CheckVerdict, Diagnosis, Setting, SettingValue};
use facts::Facts;

pub(crate) use answers::{Answers, Question};

/// The database that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Postgres,
    /// MySQL or MariaDB.
    MySql,
    Sqlite,
    /// Another one, whose questions are not known.
    Other,
}

impl Asked {
    /// The questions, by round trip.
    pub(crate) fn rounds(self) -> &'static [&'static [Question]] {
        match self {
            Asked::Postgres => postgres::ROUNDS,
            Asked::MySql => mysql::ROUNDS,
            Asked::Sqlite => sqlite::ROUNDS,
            Asked::Other => &[],
        }
    }
}

/// The questions to ask again before the answers are judged, a moment after the others; none if the judgement does not
/// depend on them.
///
/// The server counts a connection that has just been closed for a moment longer.
pub(crate) fn recount(asked: Asked, program: &Program, answers: &Answers) -> &'static [Question] {
    let (facts, questions) = match asked {
        Asked::Postgres => (postgres::read(answers), postgres::RECOUNT),
        Asked::MySql => (mysql::read(answers), mysql::RECOUNT),
        Asked::Sqlite | Asked::Other => return &[],
    };
    if rooms::is_tight(program, &facts) {
        questions
    } else {
        &[]
    }
}

/// The side of the program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The pool's name.
    pub(crate) pool: String,
    /// The name of the database system in OpenTelemetry.
    pub(crate) system: &'static str,
    /// The type of the pool's options.
    pub(crate) options: &'static str,
    pub(crate) max_connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) test_before_acquire: bool,
    /// Whether `after_connect` is set; `None` if that is not known.
    pub(crate) after_connect: Option<bool>,
    /// The limits of these lints for the pool; `None` where they are allowed.
    pub(crate) held_idle: Option<Duration>,
    pub(crate) slow_query: Option<Duration>,
    /// The longest statement that took longer than `acquire_timeout`.
    pub(crate) too_long: Option<Statement>,
    /// The pools of this process on the same server.
    pub(crate) on_server: Sum,
    /// Those of them that connect as the same user.
    pub(crate) of_user: Sum,
    /// Those of them that connect to the same database.
    pub(crate) on_database: Sum,
    /// How SQLite keeps the database.
    pub(crate) kept: Kept,
}

/// A statement that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) summary: String,
    /// Its place in the source, if that is known.
    pub(crate) place: Option<String>,
    pub(crate) time: Duration,
}

/// What some pools of this process may open, and have open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) pools: u64,
    pub(crate) max_connections: u64,
    pub(crate) open: u64,
}

impl Sum {
    /// Adds a pool.
    pub(crate) fn add(&mut self, max_connections: u32, open: u32) {
        self.pools += 1;
        self.max_connections += u64::from(max_connections);
        self.open += u64::from(open);
    }
}

/// How SQLite keeps a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kept {
    #[default]
    InFile,
    /// Each connection has a database of its own.
    PerConnection,
    /// In memory, shared by the connections.
    InMemory,
}

/// How the doctor's connection went.
#[derive(Clone, Debug)]
pub(crate) enum Reached {
    /// It was opened in this time.
    After(Duration),
    /// The server refused it, because it has no connection left.
    Full(String),
    /// It was not opened.
    No(String),
}

/// Compares both sides.
pub(crate) fn diagnose(
    asked: Asked,
    program: &Program,
    reached: &Reached,
    answers: &Answers,
    took: Duration,
) -> Diagnosis {
    let mut checks = vec![connect(program, reached)];
    let (server, compared) = match asked {
        Asked::Postgres => both_sides(program, reached, postgres::read(answers)),
        Asked::MySql => both_sides(program, reached, mysql::read(answers)),
        Asked::Sqlite => (sqlite::version(answers), sqlite::checks(program, answers)),
        Asked::Other => (None, vec![lints::acquire_timeout(program)]),
    };
    checks.extend(compared);
    Diagnosis {
        pool: program.pool.clone(),
        system: program.system.to_owned(),
        server,
        took,
        checks,
        notes: notes(asked, program),
    }
}

/// The checks of a server, with its product and version.
fn both_sides(program: &Program, reached: &Reached, facts: Facts) -> (Option<String>, Vec<Check>) {
    let mut checks = vec![
        idle::idle_timeout(program, &facts),
        idle::test_before_acquire(program, &facts),
        rooms::of_server(program, reached, &facts),
        rooms::of_user(program, &facts),
    ];
    checks.extend(rooms::of_database(program, &facts));
    checks.extend([
        lints::held_idle(program, &facts),
        lints::slow_query(program, &facts),
        lints::acquire_timeout(program),
        pooler::check(&facts),
    ]);
    (facts.version, checks)
}

/// Whether a connection can be opened in time.
fn connect(program: &Program, reached: &Reached) -> Check {
    let check = match reached {
        Reached::After(time) => {
            let name = "time of a connect";
            Check::ok("connect", "a connection was opened beside the pool").server(name, *time)
        }
        Reached::Full(why) | Reached::No(why) => Check::unknown("connect", why),
    };
    check.program("acquire_timeout", program.acquire_timeout)
}

fn notes(asked: Asked, program: &Program) -> Vec<String> {
    let mut notes = Vec::new();
    let hook = match program.after_connect {
        Some(false) => None,
        Some(true) => Some("`after_connect` is set"),
        None => Some("the pool's options are plain sqlx's and may have `after_connect`"),
    };
    if let Some(hook) = hook {
        notes.push(format!(
            "{hook}: it did not run on the connection that was asked, so that what it sets is not in these answers"
        ));
    }
    if asked == Asked::Other {
        notes.push("of this database, no setting is known".to_owned());
    }
    notes
}

impl Check {
    fn new(name: &'static str, verdict: CheckVerdict, text: impl Into<String>) -> Self {
        Self {
            name,
            verdict,
            program: None,
            server: None,
            text: text.into(),
            help: Vec::new(),
        }
    }

    fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name, CheckVerdict::Ok, text)
    }

    fn warning(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name, CheckVerdict::Warning, text)
    }

    fn unknown(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, CheckVerdict::Unknown, why)
    }

    fn program(self, name: impl Into<String>, value: impl Into<SettingValue>) -> Self {
        Self {
            program: Some(Setting::new(name, value)),
            ..self
        }
    }

    fn server(self, name: impl Into<String>, value: impl Into<SettingValue>) -> Self {
        Self {
            server: Some(Setting::new(name, value)),
            ..self
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

impl Setting {
    fn new(name: impl Into<String>, value: impl Into<SettingValue>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

impl From<Duration> for SettingValue {
    fn from(time: Duration) -> Self {
        SettingValue::Time(time)
    }
}

impl From<u64> for SettingValue {
    fn from(count: u64) -> Self {
        SettingValue::Count(count)
    }
}

impl From<&str> for SettingValue {
    fn from(text: &str) -> Self {
        SettingValue::Text(text.to_owned())
    }
}

/// A limit, or none.
impl<T: Into<SettingValue>> From<Option<T>> for SettingValue {
    fn from(limit: Option<T>) -> Self {
        limit.map_or(SettingValue::Unlimited, T::into)
    }
}
