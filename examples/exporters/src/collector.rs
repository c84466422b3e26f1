//! A collector of `prometheus-client`: it takes a snapshot at each scrape, and observes nothing.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;
use sqlx::leash::{self, Snapshot, Timing};

use crate::SECONDS;

/// Collects what the tracker has counted. To be registered by `Registry::register_collector`.
#[derive(Debug)]
pub struct Leash;

impl Collector for Leash {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = leash::snapshot();
        durations(&mut encoder, &snapshot)?;
        waits(&mut encoder, &snapshot)?;
        let by_outcome = snapshot.sites.iter().flat_map(|site| {
            let outcomes = [
                ("ok", site.ok),
                ("error", site.errors),
                ("cancelled", site.cancelled),
            ];
            outcomes.map(|(outcome, number)| {
                ([("summary", &*site.summary), ("outcome", outcome)], number)
            })
        });
        counter(
            &mut encoder,
            "sqlx_leash_statements",
            "Statements that have ended",
            by_outcome,
        )?;
        let timeouts =
            (snapshot.pools.iter()).map(|pool| ([("pool", &*pool.label)], pool.timeouts));
        counter(
            &mut encoder,
            "db_client_connection_timeouts",
            "Acquires that timed out",
            timeouts,
        )?;
        let findings = (snapshot.lints.iter()).map(|it| ([("lint", it.lint.name())], it.found));
        counter(&mut encoder, "sqlx_leash_findings", "Findings", findings)
    }
}

/// A counter for each set of labels: several rows may have the same.
fn counter<L: EncodeLabelSet + Ord>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut sums = BTreeMap::new();
    for (labels, number) in rows {
        *sums.entry(labels).or_insert(0) += number;
    }
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, number) in &sums {
        let no_exemplar = None::<&Exemplar<NoLabelSet, f64>>;
        family
            .encode_family(labels)?
            .encode_counter(number, no_exemplar)?;
    }
    Ok(())
}

/// A histogram in seconds.
#[derive(Default)]
struct Sum {
    seconds: f64,
    count: u64,
    buckets: [u64; SECONDS.len() + 1],
}

impl Sum {
    /// Counts each of the tracker's fine buckets in the coarse one that has its middle: at a bound, 3.2 % may be on the other
    /// side.
    fn add(&mut self, timing: &Timing) {
        self.seconds += timing.total.as_secs_f64();
        for bucket in &timing.buckets {
            let middle = (bucket.from + bucket.to).as_secs_f64() / 2.0;
            self.buckets[SECONDS.partition_point(|bound| *bound < middle)] += bucket.count;
            self.count += bucket.count;
        }
    }
}

fn histogram<L: EncodeLabelSet + Ord>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (L, Timing)>,
) -> fmt::Result {
    let mut sums = BTreeMap::<L, Sum>::new();
    for (labels, timing) in rows {
        sums.entry(labels).or_default().add(&timing);
    }
    let mut family =
        encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (labels, sum) in &sums {
        let bounds = SECONDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(sum.buckets).collect();
        let mut one = family.encode_family(labels)?;
        one.encode_histogram::<NoLabelSet>(sum.seconds, sum.count, &buckets, None)?;
    }
    Ok(())
}

fn durations(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let rows = snapshot.sites.iter().map(|site| {
        let operation = site.summary.split(' ').next().unwrap_or_default();
        ([("operation", operation)], site.time.clone())
    });
    histogram(
        encoder,
        "db_client_operation_duration",
        "Time with the database",
        rows,
    )
}

fn waits(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let rows = (snapshot.pools.iter()).map(|pool| ([("pool", &*pool.label)], pool.wait.clone()));
    histogram(
        encoder,
        "db_client_connection_wait_time",
        "Waits for a permit",
        rows,
    )
}
