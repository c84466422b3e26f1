//! The last findings.

use std::time::Instant;

use serde::Serialize;

use super::claims::name_of;
use super::parts::Rows;
use super::words::{place, without_users};
use crate::finding::Finding;
use crate::finding::recent::{self, Recent};
use crate::measure::units::{count, millis};

/// The findings of one cause.
#[derive(Debug, Serialize)]
pub(in super::super) struct Told {
    /// The same for all findings of the cause.
    cause: String,
    lint: &'static str,
    level: &'static str,
    certainty: &'static str,
    verdict: Option<&'static str>,
    title: String,
    at: String,
    pool: Option<String>,
    /// The number of findings of this cause since the page was asked for.
    times: u64,
    first_ms: f64,
    last_ms: f64,
    /// The last of them in full; in summaries, its places.
    text: String,
}

pub(super) fn read(summaries_only: bool, now: Instant) -> Rows<Told> {
    let told: Vec<_> = recent::read();
    let row = |(recent, text): &(Recent, std::sync::Arc<str>)| {
        let text = if summaries_only {
            places(&recent.finding)
        } else {
            text.to_string()
        };
        Told::of(recent, &text, now)
    };
    Rows::first(&told, row)
}

impl Told {
    fn of(recent: &Recent, text: &str, now: Instant) -> Self {
        let finding = &*recent.finding;
        Self {
            cause: format!("{:016x}", recent.cause),
            lint: finding.lint.name(),
            level: finding.level.name(),
            certainty: name_of(finding.certainty),
            verdict: finding.verdict.map(crate::finding::Verdict::name),
            title: without_users(&finding.title),
            at: place(&finding.primary),
            pool: finding.pool.clone(),
            times: recent.times,
            first_ms: millis(now.saturating_duration_since(recent.first)),
            last_ms: millis(now.saturating_duration_since(recent.last)),
            text: without_users(text),
        }
    }

    /// The finding with the number of its kind.
    pub(in super::super) fn paragraph(&self) -> String {
        format!("\n\n{}:\n{}", count(self.times, "time"), self.text)
    }
}

/// What happened, and the places of it.
fn places(finding: &Finding) -> String {
    let related = finding.related.iter();
    let related = related.map(|it| format!("\n  {} at {}", it.label, place(&it.site)));
    let label = &finding.label;
    format!(
        "{}\n  {label} at {}",
        finding.title,
        place(&finding.primary)
    ) + &related.collect::<String>()
}
