//! Assertions about findings.

use std::future::Future;
use std::panic::Location;

use leash_tests::{Place, TestPool, received, until};
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Level, Lint, Related};
use sqlx::track;

use super::pool_of;

/// The level of a lint that denies by default, in this build.
pub(crate) const DENY_IN_DEBUG: Level = if cfg!(debug_assertions) {
    Level::Deny
} else {
    Level::Warn
};

/// The expected parts of a finding. Each text must occur in its part.
pub(crate) struct Says<'a> {
    pub(crate) lint: Lint,
    pub(crate) level: Level,
    pub(crate) certainty: Certainty,
    pub(crate) primary: Place,
    pub(crate) function: Option<&'a str>,
    pub(crate) title: &'a [&'a str],
    /// Exactly these labels and places, in this order.
    pub(crate) related: &'a [(&'a str, Place)],
    pub(crate) facts: &'a [&'a str],
    pub(crate) help: &'a [&'a str],
}

impl Says<'_> {
    #[track_caller]
    pub(crate) fn check(&self, finding: &Finding) {
        let all = finding.render();
        assert_eq!(finding.lint, self.lint, "{all}");
        assert_eq!(finding.level, self.level, "{all}");
        assert_eq!(finding.certainty, self.certainty, "{all}");
        assert_eq!(Place::from(&finding.primary), self.primary, "{all}");
        assert_eq!(finding.function.as_deref(), self.function, "{all}");
        for part in self.title {
            assert!(
                finding.title.contains(part),
                "no `{part}` in the title:\n{all}"
            );
        }
        let related: Vec<_> = finding
            .related
            .iter()
            .map(|related| &related.site)
            .collect();
        assert_eq!(related.len(), self.related.len(), "related places:\n{all}");
        for (found, (label, place)) in finding.related.iter().zip(self.related) {
            assert_eq!(Place::from(&found.site), *place, "{all}");
            assert!(
                found.label.contains(label),
                "no `{label}` at its place:\n{all}"
            );
        }
        let facts: Vec<_> = finding.facts.iter().map(ToString::to_string).collect();
        for part in self.facts {
            assert!(
                facts.iter().any(|fact| fact.contains(part)),
                "no fact `{part}`:\n{all}"
            );
        }
        for part in self.help {
            assert!(
                finding.help.iter().any(|help| help.contains(part)),
                "no help `{part}`:\n{all}"
            );
        }
    }
}

/// The only finding.
#[track_caller]
pub(crate) fn only(mut found: Vec<Finding>) -> Finding {
    assert_eq!(found.len(), 1, "expected one finding: {}", rendered(&found));
    found.remove(0)
}

#[track_caller]
pub(crate) fn assert_none(found: &[Finding]) {
    assert!(found.is_empty(), "expected no finding: {}", rendered(found));
}

pub(crate) fn rendered(found: &[Finding]) -> String {
    let texts: Vec<_> = found.iter().map(Finding::render).collect();
    texts.join("\n\n")
}

/// The only finding of the lint.
#[track_caller]
pub(crate) fn only_of(lint: Lint, found: &[Finding]) -> &Finding {
    let mut of_lint = found.iter().filter(|finding| finding.lint == lint);
    let first = of_lint
        .next()
        .unwrap_or_else(|| panic!("{lint} is not among {found:#?}"));
    if let Some(second) = of_lint.next() {
        panic!("{lint} twice:\n{}\n{}", first.render(), second.render());
    }
    first
}

/// Asserts that no finding is of the lint.
#[track_caller]
pub(crate) fn none_of(lint: Lint, found: &[Finding]) {
    for finding in found {
        assert!(finding.lint != lint, "a false alarm:\n{}", finding.render());
    }
}

/// The related part of the finding at this place.
#[track_caller]
pub(crate) fn related<'f>(finding: &'f Finding, place: &Place) -> &'f Related {
    finding
        .related
        .iter()
        .find(|related| Place::from(&related.site) == *place)
        .unwrap_or_else(|| panic!("{place:?} is not in\n{}", finding.render()))
}

/// The value of the fact with this name.
#[track_caller]
pub(crate) fn said<'f>(finding: &'f Finding, fact: &str) -> &'f str {
    let said = finding.facts.iter().find(|said| said.name == fact);
    &said
        .unwrap_or_else(|| panic!("no fact `{fact}` in\n{}", finding.render()))
        .value
}

#[track_caller]
pub(crate) fn assert_primary(finding: &Finding, place: &Place, function: &str) {
    assert_eq!(
        Place::from(&finding.primary),
        *place,
        "{}",
        finding.render()
    );
    let function = format!("findings::{function}");
    assert_eq!(
        finding.function.as_deref(),
        Some(&*function),
        "{}",
        finding.render()
    );
}

#[track_caller]
pub(crate) fn assert_certainty(finding: &Finding, certainty: Certainty) {
    assert_eq!(finding.certainty, certainty, "{}", finding.render());
}

/// Asserts that some help of the finding contains this code.
#[track_caller]
pub(crate) fn assert_helps(finding: &Finding, code: &str) {
    let helps = finding.help.iter().any(|help| help.contains(code));
    assert!(helps, "no help contains `{code}`:\n{}", finding.render());
}

/// Waits until the lint has reported at least this number of findings about a pool.
pub(crate) async fn reported(pool: &str, lint: Lint, number: usize) {
    let is_reported = || {
        received(pool)
            .iter()
            .filter(|found| found.lint == lint)
            .count()
            >= number
    };
    until(format!("{lint} is reported about {pool}"), is_reported).await;
}

/// Waits until the watchdog reports a handle that is idle for 100 ms from now on. By then it has also reported every
/// handle that had been due before.
pub(crate) async fn watched() {
    let pool = pool_of(1).await;
    let ((), found) = findings(idle_witness(&pool)).await;
    assert_eq!(only(found).lint, Lint::HeldIdle);
}

#[track(held_idle = "100ms")]
async fn idle_witness(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

/// Runs `future` until the watchdog has had the time to report a fault, and asserts that it reported none.
#[track_caller]
pub(crate) fn silent<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = Location::caller();
    // Boxed here, not in the future: a future that is moved into another takes its space twice.
    let found = findings(Box::pin(future));
    async move {
        let (output, found) = found.await;
        assert!(
            found.is_empty(),
            "{caller}: no finding: {}",
            rendered(&found)
        );
        output
    }
}
