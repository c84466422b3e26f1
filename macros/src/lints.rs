//! The lints as the attribute knows them: their names, their groups, and the units of their limits.
//!
//! The runtime has the table that defines the lints. This one has what compile errors need. A test of the runtime
//! writes it, and fails where the two differ.

/// The unit of a lint's limit, which decides how the attribute accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// `"60s"`, `"200ms"`
    Time,
    /// `20`
    Count,
    /// `"90%"`
    Percent,
    /// `"2/s"`
    PerSecond,
    /// The lint has no limit.
    None,
}

impl Unit {
    /// The phrase after "takes" in a message.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Unit::Time => "a duration in quotes",
            Unit::Count => "a whole number",
            Unit::Percent => "a percentage in quotes",
            Unit::PerSecond => "a rate per second in quotes",
            Unit::None => "no limit",
        }
    }
}

/// One lint.
#[derive(Debug)]
struct Row {
    name: &'static str,
    /// The variant of the runtime's `Lint`.
    variant: &'static str,
    group: &'static str,
    unit: Unit,
    /// The limit that an error proposes.
    example: &'static str,
}

const fn row(
    name: &'static str,
    variant: &'static str,
    group: &'static str,
    unit: Unit,
    example: &'static str,
) -> Row {
    Row {
        name,
        variant,
        group,
        unit,
        example,
    }
}

#[rustfmt::skip]
static ROWS: &[Row] = &[
    row("outlived_scope",          "OutlivedScope",          "leaks",   Unit::None,      ""),
    row("held_idle",               "HeldIdle",               "leaks",   Unit::Time,      "\"60s\""),
    row("held_too_long",           "HeldTooLong",            "leaks",   Unit::Time,      "\"5m\""),
    row("implicit_rollback",       "ImplicitRollback",       "leaks",   Unit::None,      ""),
    row("session_state",           "SessionState",           "leaks",   Unit::None,      ""),
    row("pool_deadlock",           "PoolDeadlock",           "pool",    Unit::None,      ""),
    row("pool_timeout",            "PoolTimeout",            "pool",    Unit::None,      ""),
    row("nested_acquire",          "NestedAcquire",          "pool",    Unit::None,      ""),
    row("pool_pressure",           "PoolPressure",           "pool",    Unit::Percent,   "\"90%\""),
    row("unaccounted_connections", "UnaccountedConnections", "pool",    Unit::Time,      "\"10s\""),
    row("close_blocked",           "CloseBlocked",           "pool",    Unit::Time,      "\"5s\""),
    row("pool_settings",           "PoolSettings",           "pool",    Unit::None,      ""),
    row("connection_churn",        "ConnectionChurn",        "pool",    Unit::PerSecond, "\"2/s\""),
    row("duplicate_pool",          "DuplicatePool",          "pool",    Unit::Count,     "3"),
    row("outside_transaction",     "OutsideTransaction",     "queries", Unit::None,      ""),
    row("failed_transaction",      "FailedTransaction",      "queries", Unit::None,      ""),
    row("database_locked",         "DatabaseLocked",         "queries", Unit::None,      ""),
    row("n_plus_one",              "NPlusOne",               "queries", Unit::Count,     "20"),
    row("redundant_query",         "RedundantQuery",         "queries", Unit::Count,     "5"),
    row("query_budget",            "QueryBudget",            "queries", Unit::Count,     "3"),
    row("slow_query",              "SlowQuery",              "queries", Unit::Time,      "\"200ms\""),
];

static GROUPS: [&str; 4] = ["all", "leaks", "pool", "queries"];

/// One lint, by its row in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lint(usize);

impl Lint {
    /// The lint whose limit is `max_queries`.
    pub(crate) fn query_budget() -> Lint {
        Lint::named("query_budget").expect("BUG: the table has `query_budget`")
    }

    pub(crate) fn named(name: &str) -> Option<Lint> {
        ROWS.iter().position(|row| row.name == name).map(Lint)
    }

    pub(crate) fn name(self) -> &'static str {
        ROWS[self.0].name
    }

    pub(crate) fn variant(self) -> &'static str {
        ROWS[self.0].variant
    }

    pub(crate) fn unit(self) -> Unit {
        ROWS[self.0].unit
    }

    pub(crate) fn example(self) -> &'static str {
        ROWS[self.0].example
    }

    /// The lints of a group. `None` if there is no such group.
    pub(crate) fn group(name: &str) -> Option<Vec<Lint>> {
        GROUPS.contains(&name).then(|| {
            (0..ROWS.len())
                .map(Lint)
                .filter(|lint| name == "all" || ROWS[lint.0].group == name)
                .collect()
        })
    }

    /// Every name that `allow(…)` takes.
    pub(crate) fn names_and_groups() -> impl Iterator<Item = &'static str> {
        Lint::names().chain(GROUPS)
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        ROWS.iter().map(|row| row.name)
    }
}

/// The candidate that `word` is most likely a misspelling of.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        // A third of the word may be wrong, as in rustc.
        .filter(|(distance, candidate)| *distance <= word.len().max(candidate.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The number of letters to add, remove or replace to turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_split_all_lints() {
        let of = |name| Lint::group(name).expect("a group").len();
        assert_eq!(of("all"), ROWS.len());
        assert_eq!(of("leaks") + of("pool") + of("queries"), ROWS.len());
    }

    #[test]
    fn variants_are_the_names_in_camel_case() {
        for row in ROWS {
            let camel: String = row
                .name
                .split('_')
                .map(|part| part[..1].to_uppercase() + &part[1..])
                .collect();
            assert_eq!(row.variant, camel);
        }
        assert_eq!(Lint::query_budget().name(), "query_budget");
    }

    #[test]
    fn nearest_is_near() {
        let near = |word| nearest(word, Lint::names_and_groups());
        assert_eq!(near("n_plus_1"), Some("n_plus_one"));
        assert_eq!(near("helt_idle"), Some("held_idle"));
        assert_eq!(near("leak"), Some("leaks"));
        assert_eq!(near("unused_variables"), None);
    }
}
