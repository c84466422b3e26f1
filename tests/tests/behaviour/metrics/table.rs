//! The guide's table and the output agree.

use std::collections::BTreeSet;

use leash_tests::{in_child, in_memory};
use sqlx::leash::PoolExt;

use super::scrape;

const PAGE: &str = include_str!("../../../../runtime/src/guide/metrics.md");

/// A metric: its name, its type, and its labels.
type Metric = (String, String, BTreeSet<String>);

fn words(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn written() -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let labels = match cells[3] {
            "the same" => metrics.last().unwrap().2.clone(),
            labels => words(labels).collect(),
        };
        let name = words(cells[1]).next().unwrap();
        metrics.push((name, cells[2].to_owned(), labels));
    }
    metrics
}

fn exposed() -> Vec<Metric> {
    let families = scrape().families.into_iter();
    families
        .map(|family| {
            let labels = family
                .samples
                .iter()
                .flat_map(|sample| sample.labels.keys());
            let labels = labels.filter(|label| *label != "le").cloned().collect();
            (family.name, family.kind, labels)
        })
        .collect()
}

#[test]
fn the_table_has_every_metric() {
    let _ = in_child(
        "metrics::table::the_table_has_every_metric",
        &[("SQLX_LEASH", "metrics_sites=on")],
        |runtime| {
            runtime.block_on(async {
                let pool = in_memory().await.named("table");
                super::sites::send(&pool).await;
                _ = sqlx::query("no statement").execute(&pool).await;
                assert_eq!(written(), exposed());
            });
        },
    );
}

#[test]
fn a_table_without_a_program_has_no_metric_of_pools() {
    let _ = in_child(
        "metrics::table::a_table_without_a_program_has_no_metric_of_pools",
        &[],
        |_| {
            let names: Vec<_> = exposed().into_iter().map(|(name, ..)| name).collect();
            let of_pools = names.iter().filter(|name| name.starts_with("db_"));
            assert_eq!(of_pools.count(), 0, "{names:?}");
            assert!(names.contains(&"sqlx_leash_findings_total".to_owned()));
        },
    );
}
