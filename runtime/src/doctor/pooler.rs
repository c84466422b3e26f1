//! Whether a pooler is between the pool and the server, such as PgBouncer.

use std::fmt::Display;
use std::time::Duration;

use super::facts::Facts;
use crate::measure::units::short;
use crate::snapshot::Check;

/// The server's clock may be set during the questions, by less than this.
const CLOCK: Duration = Duration::from_secs(1);

/// What two answers to one question prove, if they differ.
pub(super) fn changed<T: Display + PartialEq>(ids: [T; 2], question: &str) -> Option<String> {
    let [first, second] = ids;
    (first != second).then(|| {
        format!(
            "two statements on one connection ran in two sessions of the server: {question} answered {first}, then {second}"
        )
    })
}

/// What the age of the server's session proves, if the connect began only this long ago.
pub(super) fn older(age: Duration, connect_began: Duration) -> Option<String> {
    (age > connect_began.saturating_add(CLOCK)).then(|| {
        format!(
            "the server's session is {} old, and the connection {}",
            short(age),
            short(connect_began)
        )
    })
}

pub(super) fn check(facts: &Facts) -> Check {
    const NAME: &str = "pooler";
    let hidden = facts.hidden;
    match &facts.pooler {
        Err(why) => Check::unknown(NAME, why),
        Ok(Some(evidence)) => Check::unknown(
            NAME,
            format!(
                "a pooler is in between: {evidence}. {}{}",
                hidden[..1].to_uppercase(),
                &hidden[1..]
            ),
        )
        .server("in between", "a pooler"),
        Ok(None) => {
            Check::ok(NAME, "nothing shows a pooler in between").server("in between", "none seen")
        }
    }
}
