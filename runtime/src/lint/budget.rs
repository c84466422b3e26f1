//! A scope sends more statements than its budget.

use super::describe::{closing_notes, fact, related};
use super::emit::{Audience, Log, Path};
use super::{Certainty, Finding, Level, Lint, Reaction, stop};
use crate::config;
use crate::scope::Scope;
use crate::site::{Place, Site};
use crate::tally::Tally;
use crate::units::count;

/// `tally`'s statement, about to be sent at `site`, is the one over the budget of these scopes.
///
/// # Panics
///
/// At the site, where the lint is at deny.
pub(crate) fn query_budget(scopes: &[&Scope], tally: &'static Tally, site: Option<&'static Site>) {
    let mut panic = None;
    // All are told; one panic is enough.
    for scope in scopes {
        if let Reaction::Panic(message) = of_scope(scope, tally, site) {
            panic.get_or_insert((scope.function(), message));
        }
    }
    if let Some((function, message)) = panic {
        stop(site, Some(function), &message);
    }
}

fn of_scope(scope: &Scope, tally: &'static Tally, site: Option<&'static Site>) -> Reaction {
    let (function, Some(budget)) = (scope.function(), scope.budget()) else {
        return Reaction::Go;
    };
    let level = config::level(Lint::QueryBudget, Some(function), None);
    if level == Level::Allow {
        return Reaction::Go;
    }
    let place = site.map(Site::place).or(tally.place());
    let place = place.unwrap_or(function.place());
    let limit = budget.limit;
    let mut sent = budget.sent();
    let most = sent.iter().max_by_key(|(_, times)| *times).copied();
    sent.retain(|(other, _)| !std::ptr::eq(*other, tally));

    let is_own = function.limit(Lint::QueryBudget).is_some();
    let mut told = vec![related(
        if is_own {
            "the budget is set here"
        } else {
            "the root scope is this one"
        },
        function.place(),
    )];
    told.extend(sent.iter().filter_map(|(tally, times)| {
        let label = format!("{} sent here", count(*times, "statement"));
        Some(related(label, tally.place()?))
    }));
    let mut help = Vec::new();
    if let Some((most, times)) = most
        && times > 1
    {
        let at = most.place().map(at).unwrap_or_default();
        let instead = if most.writes() {
            "write all rows in one statement, `INSERT … VALUES (…), (…)` or `WHERE id IN (…)`"
        } else {
            "read all rows in one statement, `WHERE id IN (…)` or a join"
        };
        help.push(format!(
            "`{}`{at} was sent {times} times: {instead}, in place of one by one",
            most.summary
        ));
    }
    help.push(format!(
        "if {} needs more, say so: `#[track(max_queries = {})]`",
        function.name(),
        limit + 1
    ));
    let finding = Finding {
        lint: Lint::QueryBudget,
        level,
        certainty: Certainty::Certain,
        cause: format!(
            "{}, and what {} calls counts, too",
            if is_own {
                format!("`max_queries = {limit}`")
            } else {
                format!("`query_budget={limit}` is set for every root scope")
            },
            function.name()
        ),
        title: format!(
            "{} sends its {} statement; its budget is {limit}",
            function.name(),
            ordinal(limit + 1)
        ),
        verdict: None,
        primary: place.to_call_site(),
        label: "one too many".to_owned(),
        function: Some(function.name().to_owned()),
        pool: None,
        related: told,
        facts: vec![
            fact("budget", limit.to_string()),
            fact("this statement", tally.summary.clone()),
        ],
        help,
        notes: closing_notes(Lint::QueryBudget, Some(function), None),
    };
    finding.tell(Audience {
        span: &tracing::Span::current(),
        collector: scope.collector().cloned(),
        path: Path::Running,
        log: Log::PerPlace,
    })
}

fn at(place: Place) -> String {
    format!(" at {}:{}", place.file, place.line)
}

/// `4th`, `21st`.
fn ordinal(number: u64) -> String {
    let suffix = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::ordinal;

    #[test]
    fn ordinals_are_english() {
        let told: Vec<_> = [1, 2, 3, 4, 11, 12, 13, 21, 101, 111]
            .map(ordinal)
            .into_iter()
            .collect();
        let expected = [
            "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th",
        ];
        assert_eq!(told, expected);
    }
}
