//! What MySQL and MariaDB are asked, and what their answers mean. No question needs a privilege.

use std::time::Duration;

use super::answers::{Answers, Question, text};
use super::facts::{Facts, Known, Names, Place, Room, TimeLimit};
use super::pooler;

pub(super) const ROUNDS: &[&[Question]] = &[
    &[
        Question {
            name: "session",
            sql: "SELECT CAST(CONNECTION_ID() AS CHAR), CURRENT_USER()",
        },
        Question {
            // Those that a server does not have are left out.
            name: "variables",
            sql: "SHOW SESSION VARIABLES WHERE Variable_name IN ('version', 'max_connections', 'max_user_connections', \
                  'wait_timeout', 'max_statement_time', 'max_execution_time', 'idle_transaction_timeout', \
                  'idle_write_transaction_timeout', 'idle_readonly_transaction_timeout')",
        },
    ],
    &[
        Question {
            name: "session again",
            sql: "SELECT CAST(CONNECTION_ID() AS CHAR)",
        },
        USED,
        USED_BY_USER,
    ],
];

const USED: Question = Question {
    name: "used",
    sql: "SHOW GLOBAL STATUS WHERE Variable_name = 'Threads_connected'",
};

const USED_BY_USER: Question = Question {
    // A user without the privilege PROCESS sees the sessions of this user, which are those that count.
    name: "used by user",
    sql: "SELECT CAST(COUNT(*) AS CHAR) FROM information_schema.PROCESSLIST \
          WHERE USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)",
};

/// The questions of which the answers change from moment to moment.
pub(super) const RECOUNT: &[Question] = &[USED, USED_BY_USER];

const HIDDEN: &str = "the limits of the server's answers are those of the pooler's sessions; what the pooler allows, such as its own idle time and number \
                      of clients, is not seen; a setting that a statement leaves on a session may meet another client";

const SECOND: f64 = 1.0;
const MILLISECOND: f64 = 1e-3;

/// Reads the answers.
pub(super) fn read(answers: &Answers) -> Facts {
    let times = |names: &[(&str, f64)]| least(answers, names);
    Facts {
        version: variable(answers, "version").ok().flatten().map(product),
        idle: times(&[("wait_timeout", SECOND)]),
        idle_in_transaction: times(&[
            ("idle_transaction_timeout", SECOND),
            ("idle_write_transaction_timeout", SECOND),
            ("idle_readonly_transaction_timeout", SECOND),
        ]),
        statement: times(&[
            ("max_statement_time", SECOND),
            ("max_execution_time", MILLISECOND),
        ]),
        server: server(answers),
        user: user(answers),
        database: None,
        pooler: pooler(answers),
        hidden: HIDDEN,
        names: Names {
            idle: "wait_timeout",
            idle_in_transaction: "idle_transaction_timeout",
            statement: "max_statement_time",
        },
    }
}

/// `MariaDB 10.11.19` of `10.11.19-MariaDB-0+deb12u1`.
fn product(version: &str) -> String {
    let product = if version.contains("MariaDB") {
        "MariaDB"
    } else {
        "MySQL"
    };
    let number = version.split('-').next().unwrap_or_default();
    format!("{product} {number}")
}

/// A variable of the session; `None` if the server does not have it.
fn variable<'a>(answers: &'a Answers, name: &str) -> Known<Option<&'a str>> {
    let rows = answers.rows("variables")?;
    let row = rows.iter().find(|row| text(row, 0) == Some(name));
    Ok(row.and_then(|row| text(row, 1)))
}

/// The least of these variables, each with the seconds of its unit. 0 is no limit.
fn least(answers: &Answers, names: &[(&str, f64)]) -> Known<Option<TimeLimit>> {
    let mut least: Option<TimeLimit> = None;
    for (name, unit) in names {
        let Some(value) = variable(answers, name)? else {
            continue;
        };
        let seconds = value.parse::<f64>().ok().map(|number| number * unit);
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let time =
            time.ok_or_else(|| format!("the value `{value}` of `{name}` is not understood"))?;
        if !time.is_zero() && least.as_ref().is_none_or(|least| time < least.time) {
            least = Some(TimeLimit {
                name: (*name).to_owned(),
                time,
                source: None,
                set,
                place: Place::Server,
            });
        }
    }
    Ok(least)
}

fn set(_place: &Place, name: &str, time: Duration) -> String {
    let number = match name {
        "max_execution_time" => time.as_millis().to_string(),
        _ => (time.as_secs() + u64::from(time.subsec_nanos() > 0)).to_string(),
    };
    format!("SET GLOBAL {name} = {number}")
}

fn limit(answers: &Answers, name: &str) -> Known<Option<u64>> {
    let value = variable(answers, name)?.unwrap_or("0");
    let limit: i64 = value
        .parse()
        .map_err(|_| format!("the value `{value}` of `{name}` is not understood"))?;
    Ok(u64::try_from(limit).ok().filter(|limit| *limit > 0))
}

fn server(answers: &Answers) -> Known<Room> {
    Ok(Room {
        name: "max_connections".to_owned(),
        limit: limit(answers, "max_connections")?,
        used: answers.number("used", 1),
        raise: "SET GLOBAL max_connections =".to_owned(),
        kept_back: 0,
    })
}

/// The session's value is the limit that holds for the account, be it the account's own or the server's.
fn user(answers: &Answers) -> Known<Room> {
    let session = answers.row("session").ok();
    let account = session.and_then(|row| text(row, 1)).unwrap_or("user@host");
    let (name, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    Ok(Room {
        name: format!("max_user_connections of {account}"),
        limit: limit(answers, "max_user_connections")?,
        used: answers.number("used by user", 0),
        raise: format!("ALTER USER '{name}'@'{host}' WITH MAX_USER_CONNECTIONS"),
        kept_back: 0,
    })
}

/// A pooler shows itself by two sessions behind one connection.
fn pooler(answers: &Answers) -> Known<Option<String>> {
    let ids: [u64; 2] = [
        answers.number("session", 0)?,
        answers.number("session again", 0)?,
    ];
    Ok(pooler::changed(ids, "`CONNECTION_ID()`"))
}
