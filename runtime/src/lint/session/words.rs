//! What is said of each kind of state, and the code that does without it.

use crate::handle::session::Mark;
use crate::pool_state::endpoint::System;
use crate::source::function::Function;
use crate::sql::Kind;

/// How a connection comes back to its pool with what is set on it.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// Its holder gives it back, in this function.
    GivenBack(Option<&'static Function>),
    /// The text was sent to the pool itself, which takes the connection back after each statement.
    ThroughPool,
}

/// What is said of state of one kind.
pub(super) struct Words {
    /// What is left: `a session lock`.
    pub(super) what: String,
    /// The same as an act: `takes a session lock`.
    pub(super) sets: String,
    pub(super) label: &'static str,
    pub(super) cause: &'static str,
    kind: Kind,
    system: System,
    /// The words of the text that set the first of it.
    text: &'static str,
}

impl Words {
    /// Of marks of one text and one kind.
    pub(super) fn of(system: System, marks: &[Mark]) -> Self {
        let (kind, text) = (marks[0].item.kind, &*marks[0].item.label);
        let names: Vec<String> = marks
            .iter()
            .map(|mark| format!("`{}`", mark.item.label))
            .collect();
        let names = names.join(" and ");
        let (what, sets, label) = match kind {
            Kind::Lock | Kind::NamedLock => {
                ("a session lock", "takes a session lock", "locked here")
            }
            Kind::TableLock => ("table locks", "locks tables", "locked here"),
            Kind::Setting | Kind::Pragma => ("the setting", "sends the setting", "set here"),
            Kind::Role => ("another role", "sets a role", "set here"),
            Kind::Database => ("another database", "selects a database", "selected here"),
            Kind::Listen => ("a subscription", "subscribes", "subscribed here"),
            Kind::TempTable => {
                let (what, sets) = match object(text) {
                    "VIEW" => ("a temporary view", "creates a temporary view"),
                    "SEQUENCE" => ("a temporary sequence", "creates a temporary sequence"),
                    "TRIGGER" => ("a temporary trigger", "creates a temporary trigger"),
                    _ => ("a temporary table", "creates a temporary table"),
                };
                (what, sets, "created here")
            }
            Kind::Attached => (
                "an attached database",
                "attaches a database",
                "attached here",
            ),
        };
        let (what, sets) = match kind {
            Kind::Setting | Kind::Pragma => {
                (format!("{what} of {names}"), format!("{sets} {names}"))
            }
            _ => (format!("{what} ({names})"), format!("{sets} ({names})")),
        };
        Self {
            what,
            sets,
            label,
            cause: cause(kind),
            kind,
            system,
            text,
        }
    }

    /// The code to write instead. `is_only` is whether the pool has only one connection.
    pub(super) fn help(&self, way: Way, is_only: bool) -> Vec<String> {
        let instead = self.instead();
        let undo = self.undo();
        let last = match way {
            Way::GivenBack(_) => Some(format!(
                "or undo it on every way out, also after an error: {undo}"
            )),
            Way::ThroughPool if is_only => None,
            Way::ThroughPool => Some(format!(
                "or send all that belongs to it to one connection, `let mut conn = pool.acquire().await?`, and undo it there: {undo}"
            )),
        };
        instead.into_iter().chain(last).collect()
    }

    /// What does the same, and leaves nothing behind.
    fn instead(&self) -> Vec<String> {
        let text = self.text;
        match (self.kind, self.system) {
            (Kind::Lock, _) => vec![
                "take a lock that ends with its transaction: `pg_advisory_xact_lock`, in `let mut tx = pool.begin().await?`"
                    .to_owned(),
                "or let a guard have the connection until it unlocks: `PgAdvisoryLock::new(\"…\").acquire(conn).await?`, and at the end `guard.release_now().await?`"
                    .to_owned(),
            ],
            (Kind::NamedLock | Kind::TableLock, _) => vec![
                "lock rows in a transaction, which releases them at its end: `SELECT … FOR UPDATE`, in `let mut tx = pool.begin().await?`"
                    .to_owned(),
            ],
            (Kind::Setting, System::Postgres) => postgres_setting(text),
            (Kind::Setting, _) => vec![
                format!(
                    "set it once for every connection: `MySqlPoolOptions::after_connect`, with `{text}{}`",
                    variable(text).map_or(" …", |_| " = …")
                ),
                "or, on MariaDB, for one statement: `SET STATEMENT … = … FOR SELECT …`".to_owned(),
            ],
            (Kind::Role, System::Postgres) => vec![
                "set it for one transaction: `SET LOCAL ROLE …`, in `let mut tx = pool.begin().await?`".to_owned(),
            ],
            (Kind::Role, _) => vec!["make a pool of its own for that user".to_owned()],
            (Kind::Database, _) => vec![
                "name the database in the statement: `SELECT … FROM archive.exam`".to_owned(),
                "or make a pool for each database: `MySqlConnectOptions::database(\"…\")`".to_owned(),
            ],
            (Kind::Listen, _) => vec![
                "listen with `PgListener::connect_with(&pool).await?`, which has a connection to itself and unsubscribes before it goes back"
                    .to_owned(),
            ],
            (Kind::TempTable, System::Postgres) if object(text) == "TABLE" => vec![
                "let it end with its transaction: `CREATE TEMPORARY TABLE … ON COMMIT DROP`, in `let mut tx = pool.begin().await?`"
                    .to_owned(),
            ],
            (Kind::TempTable, _) if object(text) != "TABLE" => Vec::new(),
            (Kind::TempTable, _) => vec![
                "select from a common table expression instead: `WITH … AS (SELECT …) SELECT …`".to_owned(),
            ],
            (Kind::Pragma, _) => vec![format!(
                "set it in the options, for every connection: {}",
                pragma_option(text)
            )],
            (Kind::Attached, _) => vec![
                "attach it to every connection: `SqlitePoolOptions::after_connect`, with `ATTACH …`".to_owned(),
            ],
        }
    }

    /// What undoes it on the same connection.
    fn undo(&self) -> String {
        let text = self.text;
        let name = text.rsplit(' ').next().unwrap_or(text);
        match (self.kind, self.system) {
            (Kind::Lock, _) => "`SELECT pg_advisory_unlock(…)`".to_owned(),
            (Kind::NamedLock, _) => "`SELECT RELEASE_LOCK(…)`".to_owned(),
            (Kind::TableLock, _) => "`UNLOCK TABLES`".to_owned(),
            (Kind::Setting, system) => match (variable(text), system) {
                (Some(name), System::Postgres) => format!("`RESET {name}`"),
                // sqlx sets these when it connects, to values that are not the server's default.
                (Some("sql_mode" | "time_zone"), _) => format!("`{text} = …` with the old value"),
                (Some(_), _) => format!("`{text} = DEFAULT`"),
                (None, System::Postgres) => "`RESET …`".to_owned(),
                (None, _) => format!("`{text} …` with the old value"),
            },
            (Kind::Role, System::Postgres) => "`RESET ROLE`".to_owned(),
            (Kind::Role, _) => "`SET ROLE DEFAULT`".to_owned(),
            (Kind::Database, _) => "`USE …` with the old name".to_owned(),
            // Whether the name was quoted is not known, and it matters where it is not in small letters.
            (Kind::Listen, _) if name.contains(char::is_uppercase) => "`UNLISTEN *`".to_owned(),
            (Kind::Listen, _) => format!("`UNLISTEN {name}`"),
            (Kind::TempTable, _) => format!("`DROP {} {name}`", object(text)),
            (Kind::Pragma, _) => format!("`{text} = …` with the old value"),
            (Kind::Attached, _) => "`DETACH …`".to_owned(),
        }
    }
}

fn cause(kind: Kind) -> &'static str {
    match kind {
        Kind::Lock | Kind::NamedLock => {
            "the pool does not release it: the connection has the lock until it unlocks it itself, or until it is closed"
        }
        Kind::TableLock => {
            "the pool does not unlock them: other connections wait, and whoever gets this one next can use no other table"
        }
        Kind::Setting | Kind::Pragma | Kind::Role => {
            "the pool does not reset a connection that goes back: whoever gets it next works with the setting"
        }
        Kind::Database => {
            "the pool does not reset a connection that goes back: whoever gets it next works in that database"
        }
        Kind::Listen => {
            "the pool does not end it: the server goes on to send notifications to this connection, where nobody reads them"
        }
        Kind::TempTable => {
            "the pool does not drop it: whoever gets the connection next finds the table and its rows, and cannot create it again"
        }
        Kind::Attached => {
            "the pool does not detach it: whoever gets the connection next finds it attached, and cannot attach it again"
        }
    }
}

/// The object that a text creates: TABLE, unless another word stands before its name.
fn object(text: &str) -> &str {
    let words = ["VIEW", "SEQUENCE", "TRIGGER"];
    let written = text.split(' ').find(|word| words.contains(word));
    written.unwrap_or("TABLE")
}

/// The variable that is set by `SET name = …`.
fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("SET ")?;
    (!name.contains(' ')).then_some(name)
}

fn postgres_setting(text: &str) -> Vec<String> {
    if let Some(words) = text
        .strip_prefix("SET ")
        .filter(|words| words.contains(' '))
    {
        return vec![format!(
            "set it for one transaction: `SET LOCAL {words} …`, in `let mut tx = pool.begin().await?`"
        )];
    }
    let Some(name) = variable(text) else {
        return vec![
            "set it for one transaction: `SELECT set_config(…, …, true)`, in `let mut tx = pool.begin().await?`"
                .to_owned(),
        ];
    };
    vec![
        format!(
            "set it for one transaction: `SET LOCAL {name} = …`, in `let mut tx = pool.begin().await?`"
        ),
        format!(
            "or, if every connection is to have it: `PgConnectOptions::options([(\"{name}\", \"…\")])`"
        ),
    ]
}

/// The option that sets this PRAGMA on every connection.
fn pragma_option(text: &str) -> String {
    let name = text.rsplit(' ').next().unwrap_or(text);
    let name = name.rsplit('.').next().unwrap_or(name);
    match &*name.to_ascii_lowercase() {
        "foreign_keys" => "`SqliteConnectOptions::foreign_keys(…)`".to_owned(),
        "busy_timeout" => "`SqliteConnectOptions::busy_timeout(…)`".to_owned(),
        "synchronous" => "`SqliteConnectOptions::synchronous(…)`".to_owned(),
        "locking_mode" => "`SqliteConnectOptions::locking_mode(…)`".to_owned(),
        _ => format!("`SqliteConnectOptions::pragma(\"{name}\", \"…\")`"),
    }
}
