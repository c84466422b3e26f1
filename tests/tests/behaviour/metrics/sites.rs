//! Call sites, where they are asked for.

use std::collections::BTreeMap;

use leash_tests::{in_child, in_memory};
use sqlx::leash::{self, PoolExt};
use sqlx::{SqlitePool, track};

use super::scrape;
use crate::common::path_of;

const STATEMENTS: &str = "sqlx_leash_site_statements_total";

#[track]
pub(super) async fn send(pool: &SqlitePool) {
    sqlx::query("SELECT 1 UNION SELECT 2")
        .fetch_all(pool)
        .await
        .unwrap();
}

#[test]
fn by_default_there_are_none() {
    let _ = in_child(
        "metrics::sites::by_default_there_are_none",
        &[],
        |runtime| {
            runtime.block_on(async {
                let pool = in_memory().await;
                send(&pool).await;
                let text = leash::prometheus();
                assert!(!text.contains("sqlx_leash_site"), "{text}");
                leash::Config::new().metrics_sites(true).install();
                assert!(leash::prometheus().contains("sqlx_leash_site"));
            });
        },
    );
}

#[test]
fn by_function_and_summary() {
    let _ = in_child(
        "metrics::sites::by_function_and_summary",
        &[("SQLX_LEASH", "metrics_sites=on")],
        |runtime| {
            runtime.block_on(async {
                let pool = in_memory().await.named("sites");
                for _ in 0..3 {
                    send(&pool).await;
                }
                let scrape = scrape();
                let family = scrape.family(STATEMENTS);
                let sample = family.samples.iter().find(|sample| {
                    let function = sample.labels.get("code_function_name");
                    function.is_some_and(|it| it.ends_with(&path_of("send")))
                });
                let labels = &sample.unwrap().labels;
                let function = ("code_function_name", &*labels["code_function_name"]);
                assert_eq!(labels["db_query_summary"], "SELECT SELECT");
                let count = |outcome| scrape.get(STATEMENTS, &[function, ("outcome", outcome)]);
                let counts = ["ok", "error", "cancelled"].map(count);
                assert_eq!(counts, [Some(3.0), Some(0.0), Some(0.0)]);
                let rows = "sqlx_leash_site_returned_rows_total";
                assert_eq!(scrape.get(rows, &[function]), Some(6.0));
                assert_eq!(scrape.get("sqlx_leash_sites_folded", &[]), Some(0.0));
                assert!(!leash::prometheus().contains(file!()), "no file");
            });
        },
    );
}

/// The number of statements by function and summary.
fn statements() -> BTreeMap<Vec<String>, f64> {
    let scrape = scrape();
    let samples = scrape.family(STATEMENTS).samples.iter();
    let named = samples.map(|it| (it.labels.values().cloned().collect(), it.value));
    named.collect()
}

#[test]
fn ten_thousand_texts_are_a_bounded_number_of_series() {
    const TEXTS: usize = 10_000;
    let _ = in_child(
        "metrics::sites::ten_thousand_texts_are_a_bounded_number_of_series",
        &[("SQLX_LEASH", "metrics_sites=on")],
        |runtime| {
            runtime.block_on(async {
                let pool = in_memory().await.named("texts");
                send(&pool).await;
                let mut last = statements();
                let begun: f64 = last.values().sum();
                let select = async |number: usize| {
                    let text = format!("SELECT * FROM table_{number}");
                    _ = sqlx::query(sqlx::AssertSqlSafe(text)).execute(&pool).await;
                };
                let mut sent = 0_u32;
                for round in 0..4 {
                    for step in 0..TEXTS / 4 {
                        // In each round, others are busy.
                        select((step % 50 + round * 300) % 1_200).await;
                        select(round * TEXTS / 4 + step).await;
                        sent += 2;
                    }
                    let now = statements();
                    assert!(now.len() <= 3 * 501, "{} series", now.len());
                    for (name, value) in &now {
                        let before = last.get(name).copied().unwrap_or_default();
                        assert!(before <= *value, "{name:?} fell from {before}");
                    }
                    last.extend(now);
                }
                let folded = scrape().get("sqlx_leash_sites_folded", &[]).unwrap();
                assert!(folded > 0.0);
                let all: f64 = last.values().sum();
                assert_eq!(all - begun, f64::from(sent), "each counts in one series");
                let series = leash::prometheus().lines().count();
                assert!(series < 4_000, "{series} lines");
            });
        },
    );
}
