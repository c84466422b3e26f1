//! What PostgreSQL is asked, and what its answers mean. No question needs a privilege.

use std::time::Duration;

use super::answers::{Answers, Question, number, text};
use super::facts::{Facts, Known, Names, Place, Room, TimeLimit};
use super::pooler;

pub(super) const ROUNDS: &[&[Question]] = &[
    &[
        Question {
            name: "session",
            sql: "SELECT pg_backend_pid()::text, session_user::text, current_database()::text",
        },
        Question {
            name: "settings",
            sql: "SELECT name::text, setting::text, source::text FROM pg_settings WHERE name IN (\
                  'server_version', 'max_connections', 'superuser_reserved_connections', 'reserved_connections', \
                  'idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'statement_timeout')",
        },
        Question {
            name: "age",
            sql: "SELECT (extract(epoch FROM clock_timestamp() - backend_start) * 1000000)::bigint::text \
                  FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        },
    ],
    &[
        Question {
            name: "session again",
            sql: "SELECT pg_backend_pid()::text",
        },
        Question {
            name: "role",
            sql: "SELECT rolconnlimit::text, rolsuper::text FROM pg_roles WHERE rolname = session_user",
        },
        Question {
            name: "database",
            sql: "SELECT datconnlimit::text FROM pg_database WHERE datname = current_database()",
        },
        USED,
    ],
];

/// The number of connections: of all, of the role, to the database.
const USED: Question = Question {
    // Other sessions show an unprivileged role their user and database, and little else.
    name: "used",
    sql: "SELECT count(*)::text, count(*) FILTER (WHERE usename = session_user)::text, \
          count(*) FILTER (WHERE datname = current_database())::text \
          FROM pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL",
};

/// The questions of which the answers change from moment to moment.
pub(super) const RECOUNT: &[Question] = &[USED];

const HIDDEN: &str = "the limits of the server's answers are those of the pooler's sessions; what the pooler allows (`client_idle_timeout`, \
                      `max_client_conn`, `default_pool_size`) is not seen; a setting that a statement leaves on a session may meet another client";

/// Reads the answers.
pub(super) fn read(answers: &Answers) -> Facts {
    let session = Session::read(answers);
    let time = |names: &[&str]| least(answers, names, &session);
    Facts {
        version: setting(answers, "server_version").ok().map(|version| {
            let number = version.value.split(' ').next().unwrap_or_default();
            format!("PostgreSQL {number}")
        }),
        idle: time(&["idle_session_timeout"]),
        idle_in_transaction: time(&["idle_in_transaction_session_timeout", "transaction_timeout"]),
        statement: time(&["statement_timeout", "transaction_timeout"]),
        server: server(answers),
        user: role(answers, &session),
        database: Some(database(answers, &session)),
        pooler: pooler(answers),
        hidden: HIDDEN,
        names: Names {
            idle: "idle_session_timeout",
            idle_in_transaction: "idle_in_transaction_session_timeout",
            statement: "statement_timeout",
        },
    }
}

/// Whose session it is.
struct Session {
    role: String,
    database: String,
}

impl Session {
    fn read(answers: &Answers) -> Self {
        let row = answers.row("session").ok();
        let of = |column, otherwise: &str| {
            let name = row.and_then(|row| text(row, column)).unwrap_or(otherwise);
            format!("\"{}\"", name.replace('"', "\"\""))
        };
        Self {
            role: of(1, "role"),
            database: of(2, "database"),
        }
    }
}

struct Variable<'a> {
    value: &'a str,
    source: &'a str,
}

/// A variable of the session.
fn setting<'a>(answers: &'a Answers, name: &str) -> Known<Variable<'a>> {
    let rows = answers.rows("settings")?;
    let row = rows.iter().find(|row| text(row, 0) == Some(name));
    let row = row.ok_or_else(|| format!("the server has no `{name}`"))?;
    Ok(Variable {
        value: text(row, 1).unwrap_or_default(),
        source: text(row, 2).unwrap_or_default(),
    })
}

/// The least of these limits.
fn least(answers: &Answers, names: &[&str], session: &Session) -> Known<Option<TimeLimit>> {
    let limits: Vec<_> = names
        .iter()
        .map(|name| time_limit(answers, name, session))
        .collect::<Known<_>>()?;
    Ok(limits.into_iter().flatten().min_by_key(|limit| limit.time))
}

/// A time in milliseconds, of which 0 is none. A server that is too old for the variable has no such limit.
fn time_limit(answers: &Answers, name: &str, session: &Session) -> Known<Option<TimeLimit>> {
    answers.rows("settings")?;
    let Ok(variable) = setting(answers, name) else {
        return Ok(None);
    };
    let millis = variable.value.parse().map_err(|_| {
        format!(
            "the value `{}` of `{name}` is not understood",
            variable.value
        )
    })?;
    if millis == 0 {
        return Ok(None);
    }
    let (role, database) = (session.role.clone(), session.database.clone());
    let (source, place) = match variable.source {
        "user" => (Some("set for the role"), Place::Role(role)),
        "database" => (Some("set for the database"), Place::Database(database)),
        "database user" => (
            Some("set for the role in this database"),
            Place::RoleInDatabase(role, database),
        ),
        "client" => (Some("set by the connect options"), Place::ConnectOptions),
        _ => (None, Place::Role(role)),
    };
    Ok(Some(TimeLimit {
        name: name.to_owned(),
        time: Duration::from_millis(millis),
        source,
        set,
        place,
    }))
}

fn set(place: &Place, name: &str, time: Duration) -> String {
    let value = if time.subsec_nanos() > 0 {
        format!("{}ms", time.as_millis())
    } else {
        match time.as_secs() {
            seconds if seconds % 60 == 0 => format!("{}min", seconds / 60),
            seconds => format!("{seconds}s"),
        }
    };
    match place {
        Place::Role(role) => format!("ALTER ROLE {role} SET {name} = '{value}'"),
        Place::Database(database) => format!("ALTER DATABASE {database} SET {name} = '{value}'"),
        Place::RoleInDatabase(role, database) => {
            format!("ALTER ROLE {role} IN DATABASE {database} SET {name} = '{value}'")
        }
        Place::ConnectOptions => format!("PgConnectOptions::options([(\"{name}\", \"{value}\")])"),
        Place::Server => format!("ALTER SYSTEM SET {name} = '{value}'"),
    }
}

/// The connections that the server grants to roles without privileges.
fn server(answers: &Answers) -> Known<Room> {
    let number = |name| -> Known<u64> {
        let variable = setting(answers, name)?;
        let number = variable.value.parse();
        number.map_err(|_| {
            format!(
                "the value `{}` of `{name}` is not understood",
                variable.value
            )
        })
    };
    let all = number("max_connections")?;
    // A superuser gets the reserved ones too.
    let is_superuser = superuser(answers).unwrap_or(false);
    let reserved = if is_superuser {
        0
    } else {
        // Since PostgreSQL 16, there are two kinds.
        number("superuser_reserved_connections").unwrap_or(0)
            + number("reserved_connections").unwrap_or(0)
    };
    Ok(Room {
        name: match reserved {
            0 => "max_connections".to_owned(),
            _ => format!("max_connections {all}, {reserved} of them reserved"),
        },
        limit: Some(all.saturating_sub(reserved)),
        used: answers.number("used", 0),
        raise: "ALTER SYSTEM SET max_connections =".to_owned(),
        kept_back: reserved,
    })
}

fn superuser(answers: &Answers) -> Known<bool> {
    Ok(text(answers.row("role")?, 1) == Some("true"))
}

/// The connections that the role may have. The limit does not hold for superusers.
fn role(answers: &Answers, session: &Session) -> Known<Room> {
    let limit: i64 = number(answers.row("role")?, 0)?;
    let is_superuser = superuser(answers)?;
    Ok(Room {
        name: format!("CONNECTION LIMIT of role {}", session.role),
        limit: u64::try_from(limit).ok().filter(|_| !is_superuser),
        used: answers.number("used", 1),
        raise: format!("ALTER ROLE {} CONNECTION LIMIT", session.role),
        kept_back: 0,
    })
}

/// The connections that the database may have. The limit does not hold for superusers.
fn database(answers: &Answers, session: &Session) -> Known<Room> {
    let limit: i64 = answers.number("database", 0)?;
    let is_superuser = superuser(answers).unwrap_or(false);
    Ok(Room {
        name: format!("CONNECTION LIMIT of database {}", session.database),
        limit: u64::try_from(limit).ok().filter(|_| !is_superuser),
        used: answers.number("used", 2),
        raise: format!("ALTER DATABASE {} CONNECTION LIMIT", session.database),
        kept_back: 0,
    })
}

/// A pooler shows itself by two sessions behind one connection, or by a session that is older than the connection.
fn pooler(answers: &Answers) -> Known<Option<String>> {
    let pids: [u32; 2] = [
        answers.number("session", 0)?,
        answers.number("session again", 0)?,
    ];
    let changed = pooler::changed(pids, "`pg_backend_pid()`");
    let age = answers.number("age", 0).map(Duration::from_micros);
    Ok(changed.or_else(|| pooler::older(age.ok()?, answers.first_after?)))
}
