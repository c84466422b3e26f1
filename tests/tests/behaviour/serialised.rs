//! The snapshot as JSON: plain numbers of milliseconds, percentiles, and a size that a log can carry.

use leash_tests::in_child;
use serde_json::Value;
use sqlx::leash::{self, Timing};
use sqlx::{AssertSqlSafe, SqlitePool, track};

use crate::common::pool;

/// Texts of a length that programs have.
fn texts() -> impl Iterator<Item = String> {
    (0..20).map(|number| {
        format!(
            "SELECT exam.id, exam.name, other.id AS other_id, other.name AS other_name, length(exam.name) AS length_{number} \
             FROM exam LEFT JOIN exam AS other ON other.name = exam.name AND other.id <> exam.id \
             WHERE exam.name <> ? AND exam.id > ? ORDER BY exam.id, other.id LIMIT 50"
        )
    })
}

#[track]
async fn reads(pool: &SqlitePool, text: String) {
    let query = sqlx::query(AssertSqlSafe(text)).bind("").bind(0);
    query.fetch_all(pool).await.unwrap();
}

/// Every value in the JSON with its name; of a list, with the list's.
fn walk<'v>(name: &'v str, value: &'v Value, see: &mut impl FnMut(&'v str, &'v Value)) {
    see(name, value);
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| walk(name, value, see)),
        Value::Array(values) => values.iter().for_each(|value| walk(name, value, see)),
        _ => {}
    }
}

#[track_caller]
fn assert_is(value: &Value, timing: &Timing) {
    assert_eq!(value["count"], timing.count);
    for (name, time) in [
        ("total_ms", timing.total),
        ("mean_ms", timing.mean()),
        ("min_ms", timing.min),
        ("p50_ms", timing.p50()),
        ("p95_ms", timing.p95()),
        ("p99_ms", timing.p99()),
        ("max_ms", timing.max),
    ] {
        let shown = value[name].as_f64().unwrap();
        let exact = time.as_secs_f64() * 1e3;
        // Milliseconds have three decimals.
        assert!(
            shown <= exact + 1e-9 && exact - shown < 0.001,
            "{name}: {shown} {exact}"
        );
    }
    assert_eq!(value.as_object().unwrap().len(), 8, "{value}");
}

/// In a process of its own, whose only call sites these are.
#[test]
fn times_are_milliseconds_and_twenty_sites_are_small() {
    let test = "serialised::times_are_milliseconds_and_twenty_sites_are_small";
    let _ = in_child(test, &[], |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            for text in texts() {
                assert!(text.len() > 250, "a text as programs have them: {text}");
                for _ in 0..50 {
                    reads(&pool, text.clone()).await;
                }
            }
            let mut tx = pool.begin().await.unwrap();
            sqlx::query("SELECT 1").execute(&mut *tx).await.unwrap();
            let snapshot = leash::snapshot();
            let written = serde_json::to_string(&snapshot).unwrap();
            assert!(snapshot.sites.len() >= 20, "{}", snapshot.sites.len());
            assert!(written.len() < 20_000, "{} bytes: {written}", written.len());

            let json: Value = serde_json::from_str(&written).unwrap();
            for (row, site) in json["sites"]
                .as_array()
                .unwrap()
                .iter()
                .zip(&snapshot.sites)
            {
                assert_is(&row["time"], &site.time);
                assert!(!site.time.buckets.is_empty());
                assert_eq!(row["calls"], site.calls);
            }
            let of_texts = snapshot.sites.iter().filter(|site| site.calls == 50);
            let pools: Vec<_> = of_texts.map(|site| site.pool.as_deref()).collect();
            assert_eq!(pools, [Some(pool.name()); 20]);
            assert_is(&json["pools"][0]["wait"], &snapshot.pools[0].wait);
            let handle = &json["handles"][0];
            assert!(
                handle["age_ms"].as_f64() >= handle["idle_ms"].as_f64(),
                "{handle}"
            );
            assert!(json["over_ms"].as_f64().unwrap() > 0.0);
            let mut times = 0;
            walk("", &json, &mut |name, value| {
                assert!(!["secs", "nanos", "buckets"].contains(&name), "{json:#}");
                if name.ends_with("_ms") {
                    times += 1;
                    assert!(value.is_number() || value.is_null(), "{name} {value}");
                } else if let Value::Number(number) = value {
                    // What is no time is a count.
                    assert!(number.is_u64(), "{name} {value}");
                }
            });
            assert!(times > 100, "{times}");
        });
    });
}

/// Who needs the buckets can have them.
#[tokio::test]
async fn buckets_are_serialised_by_themselves() {
    let pool = pool().await;
    reads(&pool, texts().next().unwrap()).await;
    let snapshot = leash::snapshot();
    let sites = snapshot.sites.iter();
    let site = sites.max_by_key(|site| site.time.count).unwrap();
    let json = serde_json::to_value(&site.time.buckets).unwrap();
    for (row, bucket) in json.as_array().unwrap().iter().zip(&site.time.buckets) {
        assert_eq!(row["count"], bucket.count);
        assert!(row["from_ms"].as_f64().unwrap() < row["to_ms"].as_f64().unwrap());
    }
}

/// A setting of a doctor's report is a time, too.
#[tokio::test]
async fn a_diagnosis_has_no_times_of_two_parts() {
    let pool = pool().await;
    let json = serde_json::to_value(leash::doctor(&pool).await).unwrap();
    let mut times = 0;
    walk("", &json, &mut |name, value| {
        assert!(!["secs", "nanos"].contains(&name), "{json:#}");
        times += usize::from(name.ends_with("_ms") && value.is_number());
    });
    assert!(times > 1, "{json:#}");
}
