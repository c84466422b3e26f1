//! Idle connections: how long the pool keeps them, and when the server ends them.

use std::time::Duration;

use super::Program;
use super::facts::{Facts, Known, TimeLimit};
use super::words::{longer, part, rust};
use crate::measure::units::short;
use crate::snapshot::{Check, Setting};

const MAX_LIFETIME: &str = "max_lifetime + reaping period";

impl Program {
    /// How long a connection may be idle before the pool closes it. `None`: for ever.
    ///
    /// sqlx looks at its idle connections at an interval, which is the shorter one of `idle_timeout` and `max_lifetime`. A connection
    /// that is not due at one look is closed at the next.
    fn longest_idle(&self) -> Option<Duration> {
        let limits = [self.idle_timeout, self.max_lifetime];
        let period = limits.into_iter().flatten().min()?;
        Some(period.saturating_mul(2))
    }

    /// The option that decides, and the time that it allows.
    fn idle_setting(&self) -> Setting {
        let name = match (self.idle_timeout, self.max_lifetime) {
            (None, None) => "idle_timeout and max_lifetime",
            (Some(idle), Some(life)) if life < idle => MAX_LIFETIME,
            (None, Some(_)) => MAX_LIFETIME,
            (Some(_), _) => "idle_timeout + reaping period",
        };
        Setting::new(name, self.longest_idle())
    }
}

/// The server ends idle sessions, and the pool should close them before.
pub(super) fn idle_timeout(program: &Program, facts: &Facts) -> Check {
    const NAME: &str = "idle_timeout";
    let check = match &facts.idle {
        Err(why) => Check::unknown(NAME, why),
        Ok(_) if facts.has_pooler() => Check::unknown(
            NAME,
            "a pooler is in between: the server ends the pooler's sessions, and the pooler those of this pool",
        ),
        Ok(None) => Check::ok(NAME, "the server ends no idle session"),
        Ok(Some(limit)) => against_idle(NAME, program, limit),
    };
    let check = limited(check, facts.names.idle, &facts.idle);
    Check {
        program: Some(program.idle_setting()),
        ..check
    }
}

fn against_idle(name: &'static str, program: &Program, limit: &TimeLimit) -> Check {
    let longest = program.longest_idle();
    if longest.is_some_and(|longest| longest < limit.time) {
        return Check::ok(
            name,
            "the pool closes an idle connection before the server does",
        );
    }
    let consequence = if program.test_before_acquire {
        "the acquire that meets it opens a new connection first"
    } else {
        "the next statement on it fails"
    };
    let kept = match longest {
        Some(longest) => format!(
            "the pool may keep an idle connection for {}",
            short(longest)
        ),
        None => "the pool keeps idle connections for ever".to_owned(),
    };
    let check = Check::warning(
        name,
        format!(
            "{kept}, and the server ends it after {}: {consequence}",
            short(limit.time)
        ),
    );
    let check = check.help(format!(
        "`{}::idle_timeout({})`: the pool looks as often, so that a connection is idle for twice that time at most",
        program.options,
        rust(part(limit.time, 2, 5))
    ));
    match longest {
        Some(longest) => check.help(format!("or `{}`", limit.set_to(longer(longest)))),
        None => check,
    }
}

/// Without the ping, a statement meets the end of the session.
pub(super) fn test_before_acquire(program: &Program, facts: &Facts) -> Check {
    const NAME: &str = "test_before_acquire";
    let longest = program.longest_idle();
    let check = match &facts.idle {
        _ if program.test_before_acquire => {
            Check::ok(NAME, "the pool pings an idle connection before it hands it out")
        }
        Err(why) => Check::unknown(NAME, why),
        Ok(_) if facts.has_pooler() => {
            Check::unknown(NAME, "a pooler is in between, and may end idle connections")
        }
        Ok(None) => Check::ok(NAME, "it is off, and the server ends no idle session"),
        Ok(Some(limit)) if longest.is_some_and(|longest| longest < limit.time) => {
            Check::ok(NAME, "it is off, and the pool closes an idle connection before the server does")
        }
        Ok(Some(_)) => Check::warning(
            NAME,
            "the server ends idle sessions, and the pool hands a connection out without a look: the first statement on it fails",
        )
        .help(format!("`{}::test_before_acquire(true)`", program.options)),
    };
    let value = if program.test_before_acquire {
        "on"
    } else {
        "off"
    };
    limited(check.program(NAME, value), facts.names.idle, &facts.idle)
}

/// Adds the server's limit to a check. `name` is that of the variable where there is no limit.
pub(super) fn limited(check: Check, name: &str, limit: &Known<Option<TimeLimit>>) -> Check {
    match limit {
        Ok(Some(limit)) => check.server(limit.label(), limit.time),
        Ok(None) => check.server(name, None::<Duration>),
        Err(_) => check,
    }
}
