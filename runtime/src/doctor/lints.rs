//! The limits of our lints, and `acquire_timeout`, against what the server allows and what was seen.

use std::time::Duration;

use super::Program;
use super::facts::{Facts, Known, TimeLimit};
use super::idle::limited;
use super::words::{longer, part, rust, setting};
use crate::measure::units::short;
use crate::snapshot::Check;

/// A lint whose limit the server may undercut.
struct Limited {
    lint: &'static str,
    /// The limit of the lint; `None` where it is allowed.
    limit: Option<Duration>,
    /// What the server does at its limit.
    server: &'static str,
}

/// The server ends an idle transaction before `held_idle` reports it.
pub(super) fn held_idle(program: &Program, facts: &Facts) -> Check {
    let lint = Limited {
        lint: "held_idle",
        limit: program.held_idle,
        server: "ends the session of an idle transaction",
    };
    lint.check(
        program,
        facts.names.idle_in_transaction,
        &facts.idle_in_transaction,
    )
}

/// The server cancels a statement before `slow_query` reports it.
pub(super) fn slow_query(program: &Program, facts: &Facts) -> Check {
    let lint = Limited {
        lint: "slow_query",
        limit: program.slow_query,
        server: "ends a statement",
    };
    lint.check(program, facts.names.statement, &facts.statement)
}

impl Limited {
    fn check(&self, program: &Program, name: &str, server: &Known<Option<TimeLimit>>) -> Check {
        let check = match (self.limit, server) {
            (None, _) => Check::ok(self.lint, "the lint is allowed for this pool"),
            (_, Err(why)) => Check::unknown(self.lint, why),
            (_, Ok(None)) => Check::ok(self.lint, "the server sets no limit"),
            (Some(ours), Ok(Some(limit))) if limit.time < ours => {
                self.undercut(program, ours, limit)
            }
            (_, Ok(Some(_))) => {
                Check::ok(self.lint, "the lint reports it before the server ends it")
            }
        };
        let check = match self.limit {
            Some(limit) => check.program(self.lint, limit),
            None => check.program(self.lint, "allow"),
        };
        limited(check, name, server)
    }

    fn undercut(&self, program: &Program, ours: Duration, limit: &TimeLimit) -> Check {
        let (lint, server) = (self.lint, self.server);
        let text = format!(
            "the server {server} after {}, and {lint} reports it after {}: it sees the error, and not the cause",
            short(limit.time),
            short(ours)
        );
        Check::warning(lint, text)
            .help(format!(
                "`SQLX_LEASH=\"{lint}[{}]={}\"`",
                program.pool,
                setting(part(limit.time, 1, 2))
            ))
            .help(format!("or `{}`", limit.set_to(longer(ours))))
    }
}

/// An acquire gives up while one statement runs.
pub(super) fn acquire_timeout(program: &Program) -> Check {
    const NAME: &str = "acquire_timeout";
    let timeout = program.acquire_timeout;
    let check = match &program.too_long {
        None => Check::ok(NAME, "no statement of this pool took longer so far"),
        Some(statement) => {
            let place = statement.place.as_ref();
            let place = place.map_or_else(String::new, |place| format!(" at {place}"));
            let time = short(statement.time);
            Check::warning(
                NAME,
                format!(
                    "`{}`{place} took {time}: an acquire that waits for its connection gives up before",
                    statement.summary
                ),
            )
            .server("longest statement seen", statement.time)
            .help("make the statement faster, or limit its time on the server".to_owned())
            .help(format!(
                "or wait for longer: `{}::acquire_timeout({})`",
                program.options,
                rust(longer(statement.time))
            ))
        }
    };
    check.program(NAME, timeout)
}
