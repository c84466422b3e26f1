//! The tracker's numbers for Prometheus.

use std::collections::HashSet;

use super::collect;
use crate::config;
use crate::site::tally;
use crate::snapshot::{PoolStats, Snapshot};

mod exposition;
mod permits;
mod pools;
mod sites;
mod statements;
mod tracker;

use exposition::Exposition;

/// Returns the tracker's numbers in Prometheus' text format, version 0.0.4.
///
/// The text is a list of whole metric families, each line ended, and can be appended to what a program exposes already. Its
/// content type is `text/plain; version=0.0.4`. [`guide::metrics`](crate::leash::guide::metrics) lists the metrics, shows how to serve them,
/// and says what they cost.
///
/// Names and labels of the metrics `db_client_*` are those of OpenTelemetry's semantic conventions 1.44, as its exporters for
/// Prometheus write them. A program that exports the same metrics by OpenTelemetry to the same endpoint has them twice.
///
/// While everything is switched off by `SQLX_LEASH=off`, it returns a comment. Prometheus takes that for an empty scrape.
///
/// # Locking
///
/// As [`snapshot`](crate::leash::snapshot).
pub fn prometheus() -> String {
    let rules = config::rules();
    if rules.is_off() {
        return "# sqlx-leash tracks nothing: it is switched off\n".to_owned();
    }
    let snapshot = collect::without_sites();
    let mut exposition = Exposition::default();
    let pools = apart(&snapshot);
    statements::write(&mut exposition, &pools);
    pools::write(&mut exposition, &pools);
    permits::write(&mut exposition, &pools, &snapshot);
    if rules.has_metrics_of_sites() {
        sites::write(&mut exposition, &tally::sums());
    }
    tracker::write(&mut exposition, &snapshot);
    exposition.into_text()
}

/// The pools, each label once. While a pool takes the place of another, both may have been read under one label: the younger
/// one counts.
fn apart(snapshot: &Snapshot) -> Vec<&PoolStats> {
    let mut labels = HashSet::new();
    let mut pools: Vec<_> = snapshot.pools.iter().rev().collect();
    pools.retain(|pool| labels.insert(&pool.label));
    pools.reverse();
    pools
}

/// The label for the name of a pool, and its value.
fn pool_name(pool: &PoolStats) -> exposition::Label<'_> {
    ("db_client_connection_pool_name", &pool.label)
}
