//! Findings, and the size of the tracker.

use super::exposition::{Exposition, Family};
use super::pools::{counter, gauge};
use crate::finding::Level;
use crate::snapshot::Snapshot;

const FINDINGS: Family = counter(
    "sqlx_leash_findings_total",
    "Findings by lint, and by the level that the lint had when they were found.",
);
const ROWS: Family = gauge(
    "sqlx_leash_tracker_rows",
    "Rows of counters: one for each call site and statement text.",
);
const CLAIMS: Family = gauge(
    "sqlx_leash_tracker_claims",
    "Live handles, waiting acquires and returning permits.",
);
const SCOPES: Family = gauge(
    "sqlx_leash_tracker_scopes",
    "Scopes that have sent a statement or taken a handle, and have not ended.",
);
const POOLS: Family = gauge("sqlx_leash_tracker_pools", "Live pools.");
const BYTES: Family = gauge(
    "sqlx_leash_tracker_bytes",
    "An estimate of the memory that the tracker takes.",
);

pub(super) fn write(exposition: &mut Exposition, snapshot: &Snapshot) {
    let mut series = exposition.family(FINDINGS);
    for row in &snapshot.lints {
        let warned = row.found.saturating_sub(row.denied);
        for (level, number) in [(Level::Warn, warned), (Level::Deny, row.denied)] {
            series.value(
                &[("lint", row.lint.name()), ("level", level.name())],
                number,
            );
        }
    }
    let tracker = snapshot.tracker;
    for (family, number) in [
        (ROWS, tracker.rows),
        (CLAIMS, tracker.live),
        (SCOPES, tracker.scopes),
        (POOLS, tracker.pools),
        (BYTES, tracker.bytes),
    ] {
        exposition.family(family).value(&[], number);
    }
}
