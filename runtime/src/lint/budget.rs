//! A scope sends more statements than its budget.

use tracing::Span;

use super::Reaction;
use super::describe::closing_notes;
use super::emit::{Audience, Log};
use super::judge::judge;
use crate::config::{self, Rules};
use crate::finding::{Finding, Lint, Numbers, Related};
use crate::measure::units::count;
use crate::scope::Scope;
use crate::site::Site;
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::source::place::Place;

/// The statement of `tally`, about to be sent at `site`, is the one over the budget of these scopes. Where the lint is at deny,
/// returns the function whose budget it is, and the message to panic with at the site.
pub(crate) fn query_budget(
    scopes: &[&Scope],
    tally: &'static Tally,
    site: Option<&'static Site>,
) -> Option<(&'static Function, String)> {
    let rules = config::rules();
    let mut panic = None;
    // All are reported; one panic is enough.
    for scope in scopes {
        if let Reaction::Panic(message) = of_scope(&rules, scope, tally, site) {
            panic.get_or_insert((scope.function(), message));
        }
    }
    panic
}

fn of_scope(
    rules: &Rules,
    scope: &Scope,
    tally: &'static Tally,
    site: Option<&'static Site>,
) -> Reaction {
    let function = scope.function();
    let (Some(budget), Some(level)) = (
        scope.budget(),
        judge(rules, Lint::QueryBudget, Some(function), None),
    ) else {
        return Reaction::Go;
    };
    let place = site.map(Site::place).or(tally.place());
    let limit = budget.limit;
    let mut sent = budget.sent();
    let most = sent.iter().max_by_key(|(_, times)| *times).copied();
    sent.retain(|(other, _)| !std::ptr::eq(*other, tally));
    let (set_here, setting) = if function.options().limit(Lint::QueryBudget).is_some() {
        ("the budget is set here", format!("`max_queries = {limit}`"))
    } else {
        (
            "the root scope",
            format!("`query_budget={limit}` is set for every root scope"),
        )
    };
    let finding = Finding::of(Lint::QueryBudget, level, place.unwrap_or(function.place()))
        .at_fault(function.name())
        .title(format!(
            "{} sends its {} statement; its budget is {limit}",
            function.name(),
            ordinal(limit + 1)
        ))
        .label("the statement over the budget")
        .certain(format!(
            "{setting}; the statements of functions that {} calls count too",
            function.name()
        ))
        .related(set_here, function.place())
        .all_related(sent.iter().filter_map(|(tally, times)| {
            let label = format!("{} sent here", count(*times, "statement"));
            Some(Related::new(label, tally.place()?))
        }))
        .numbers(Numbers {
            count: Some(limit + 1),
            limit: Some(limit),
            ..Numbers::default()
        })
        .fact("budget", limit.to_string())
        .fact("this statement", tally.summary.clone())
        .helps(most.and_then(|(most, times)| in_one_statement(most, times)))
        .help(format!(
            "if {} needs more, raise its budget: `#[track(max_queries = {})]`",
            function.name(),
            limit + 1
        ))
        .notes(closing_notes(Lint::QueryBudget, Some(function), None));
    finding.report(Audience {
        span: &Span::current(),
        collector: scope.collector().cloned(),
        scope: None,
        may_panic: true,
        log: Log::PerCause,
    })
}

/// How to send one statement instead of many.
fn in_one_statement(most: &Tally, times: u64) -> Option<String> {
    let instead = match (times, most.writes()) {
        (0 | 1, _) => return None,
        (_, true) => {
            "write all rows in one statement, `INSERT … VALUES (…), (…)` or `WHERE id IN (…)`"
        }
        (_, false) => "read all rows in one statement, `WHERE id IN (…)` or a join",
    };
    let at = most.place().map(at).unwrap_or_default();
    Some(format!(
        "`{}`{at} was sent {times} times: {instead}, instead of one by one",
        most.summary
    ))
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
        let ordinals: Vec<_> = [1, 2, 3, 4, 11, 12, 13, 21, 101, 111]
            .map(ordinal)
            .into_iter()
            .collect();
        let expected = [
            "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th",
        ];
        assert_eq!(ordinals, expected);
    }
}
