//! What SQLite is asked, and what its answers mean.

use super::answers::{Answers, Question, text};
use super::{Kept, Program, Sum, lints};
use crate::measure::units::count;
use crate::snapshot::Check;

use std::time::Duration;

pub(super) const ROUNDS: &[&[Question]] = &[&[
    Question {
        name: "version",
        sql: "SELECT sqlite_version()",
    },
    Question {
        name: "busy_timeout",
        sql: "SELECT CAST(timeout AS TEXT) FROM pragma_busy_timeout",
    },
    Question {
        name: "journal_mode",
        sql: "SELECT journal_mode FROM pragma_journal_mode",
    },
    Question {
        name: "locking_mode",
        sql: "SELECT locking_mode FROM pragma_locking_mode",
    },
]];

/// Product and version.
pub(super) fn version(answers: &Answers) -> Option<String> {
    let version = text(answers.row("version").ok()?, 0)?;
    Some(format!("SQLite {version}"))
}

pub(super) fn checks(program: &Program, answers: &Answers) -> Vec<Check> {
    vec![
        in_memory(program),
        journal_mode(program, answers),
        busy_timeout(program, answers),
        shared_file(program, answers),
        lints::acquire_timeout(program),
    ]
}

/// SQLite deletes a database in memory with its last connection.
fn in_memory(program: &Program) -> Check {
    const NAME: &str = "in_memory";
    let options = program.options;
    let replaces = program.idle_timeout.is_some() || program.max_lifetime.is_some();
    let max = u64::from(program.max_connections);
    let check = match program.kept {
        Kept::InFile => Check::ok(NAME, "the database is in a file").server("database", "in a file"),
        Kept::PerConnection if max > 1 => Check::warning(
            NAME,
            format!("each of {} may have a database of its own", count(max, "connection")),
        )
        .server("databases", max)
        .help(format!("`{options}::max_connections(1).idle_timeout(None).max_lifetime(None)`"))
        .help("or let the connections share one: `\"sqlite::memory:\"`, or a file"),
        Kept::PerConnection | Kept::InMemory if replaces => Check::warning(
            NAME,
            "the pool may close the last connection for its age or idle time, and SQLite then deletes the database",
        )
        .server("database", "in memory")
        .help(format!("`{options}::idle_timeout(None).max_lifetime(None)`")),
        Kept::PerConnection | Kept::InMemory => {
            Check::ok(NAME, "the pool closes no connection by itself").server("database", "in memory")
        }
    };
    check.program("max_connections", max)
}

/// Without WAL, readers and the writer wait for each other.
fn journal_mode(program: &Program, answers: &Answers) -> Check {
    const NAME: &str = "journal_mode";
    let mode = answers
        .row("journal_mode")
        .map(|row| text(row, 0).unwrap_or_default());
    let many = program.on_server.max_connections > 1;
    let check = match &mode {
        Err(why) => Check::unknown(NAME, why),
        Ok("wal") => Check::ok(NAME, "readers and the writer do not wait for each other"),
        Ok("off") => Check::warning(
            NAME,
            "without a journal, SQLite cannot roll a transaction back",
        )
        .help(wal(program)),
        Ok(_) if program.kept != Kept::InFile => Check::ok(NAME, "the database is in no file"),
        Ok(mode) if many => Check::warning(
            NAME,
            format!(
                "in the mode `{mode}`, a write waits for all reads to end, and reads wait for it"
            ),
        )
        .help(wal(program)),
        Ok(_) => Check::ok(NAME, "this process opens one connection"),
    };
    let check = match mode {
        Ok(mode) => check.server(NAME, mode),
        Err(_) => check,
    };
    check.program(
        sum_name(program.on_server),
        program.on_server.max_connections,
    )
}

fn wal(program: &Program) -> &'static str {
    if program.options == "AnyPoolOptions" {
        "once: `PRAGMA journal_mode = WAL`"
    } else {
        "`SqliteConnectOptions::journal_mode(SqliteJournalMode::Wal)`"
    }
}

/// Without it, a statement that meets a lock fails at once.
fn busy_timeout(program: &Program, answers: &Answers) -> Check {
    const NAME: &str = "busy_timeout";
    let millis: Result<u64, _> = answers.number("busy_timeout", 0);
    let check = match millis {
        Err(why) => Check::unknown(NAME, why),
        Ok(0) if program.kept == Kept::InFile => Check::warning(
            NAME,
            "a statement that finds the database locked fails at once, also by another process",
        )
        .help("`SqliteConnectOptions::busy_timeout(Duration::from_secs(5))`"),
        Ok(0) => Check::ok(NAME, "nobody else has the database"),
        Ok(_) => Check::ok(NAME, "a statement waits as long for a lock"),
    };
    let check = match millis_of(answers) {
        Some(millis) => check.server(NAME, Duration::from_millis(millis)),
        None => check,
    };
    check.program("acquire_timeout", program.acquire_timeout)
}

fn millis_of(answers: &Answers) -> Option<u64> {
    answers.number("busy_timeout", 0).ok()
}

/// How many connections of this process meet at the file, which has one writer at a time.
fn shared_file(program: &Program, answers: &Answers) -> Check {
    const NAME: &str = "shared_file";
    let sum = program.on_server;
    let mode = answers
        .row("locking_mode")
        .map(|row| text(row, 0).unwrap_or_default());
    let check = match mode {
        Err(why) => Check::unknown(NAME, why),
        Ok("exclusive") if sum.max_connections > 1 => Check::warning(
            NAME,
            "the first connection that reads or writes keeps the file to itself, and all others find it locked",
        )
        .help("`SqliteConnectOptions::locking_mode(SqliteLockingMode::Normal)`, or one connection"),
        Ok(_) if program.kept == Kept::PerConnection => Check::ok(NAME, "no connection shares its database"),
        Ok(_) => Check::ok(NAME, format!("{} may share it", count(sum.max_connections, "connection"))),
    };
    check
        .server("writers at a time", 1)
        .program(sum_name(sum), sum.max_connections)
}

fn sum_name(sum: Sum) -> String {
    match sum.pools {
        0 | 1 => "max_connections".to_owned(),
        pools => format!("max_connections of {pools} pools"),
    }
}
