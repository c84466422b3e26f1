//! Statements, by pool and operation.

use leash_tests::in_memory;
use sqlx::leash::{self, PoolExt};
use sqlx::{SqlitePool, track};

use super::{of, scrape};
use crate::common::path_of;

const COUNT: &str = "db_client_operation_duration_seconds_count";
const SUM: &str = "db_client_operation_duration_seconds_sum";
const ROWS: &str = "db_client_response_returned_rows";

#[track]
async fn sends(pool: &SqlitePool) {
    for _ in 0..3 {
        sqlx::query("SELECT 1 UNION SELECT 2 UNION SELECT 3")
            .fetch_all(pool)
            .await
            .unwrap();
    }
    sqlx::query("CREATE TABLE t (i INTEGER PRIMARY KEY)")
        .execute(pool)
        .await
        .unwrap();
    for _ in 0..2 {
        _ = sqlx::query("INSERT INTO t VALUES (1)").execute(pool).await;
    }
}

#[tokio::test]
async fn counts_equal_those_of_the_snapshot() {
    let pool = in_memory().await.named("metrics: counts");
    sends(&pool).await;
    let scrape = scrape();
    let pool = of("metrics: counts");
    let of_operation = |name, error| {
        let operation = ("db_operation_name", name);
        [
            pool,
            operation,
            ("error_type", error),
            ("db_system_name", "sqlite"),
        ]
    };
    let count = |name, operation, error| scrape.get(name, &of_operation(operation, error));
    assert_eq!(count(COUNT, "SELECT", ""), Some(3.0));
    assert_eq!(count(COUNT, "CREATE", ""), Some(1.0));
    assert_eq!(count(COUNT, "INSERT", ""), Some(1.0));
    assert_eq!(count(COUNT, "INSERT", "_OTHER"), Some(1.0));
    assert_eq!(scrape.sum(COUNT, &[pool]), 6.0);
    assert_eq!(scrape.sum(&format!("{ROWS}_count"), &[pool]), 6.0);
    assert_eq!(scrape.sum(&format!("{ROWS}_sum"), &[pool]), 9.0);
    let bucket = |bound| {
        let labels = of_operation("SELECT", "")
            .into_iter()
            .chain([("le", bound)]);
        let labels: Vec<_> = labels.collect();
        scrape.get(&format!("{ROWS}_bucket"), &labels).unwrap()
    };
    assert_eq!(["1", "2", "5", "10000"].map(bucket), [0.0, 0.0, 3.0, 3.0]);
    let function = path_of("sends");
    let sites = leash::snapshot().sites.into_iter();
    let mine = sites.filter(|site| {
        site.function
            .as_ref()
            .is_some_and(|it| it.ends_with(&function))
    });
    let total: f64 = mine.map(|site| site.time.total.as_secs_f64()).sum();
    let sum = scrape.sum(SUM, &[pool]);
    assert!((sum - total).abs() < 1e-9, "{sum} s, {total} s");
}

#[tokio::test]
async fn unknown_words_are_one_operation() {
    let pool = in_memory().await.named("metrics: words");
    for number in 0..100 {
        let text = format!("FROB{number} x");
        _ = sqlx::query(sqlx::AssertSqlSafe(text)).execute(&pool).await;
    }
    let scrape = scrape();
    let labels = [of("metrics: words"), ("db_operation_name", "_OTHER")];
    assert_eq!(scrape.get(COUNT, &labels), Some(100.0));
    assert_eq!(scrape.sum(COUNT, &[of("metrics: words")]), 100.0);
}

#[tokio::test]
async fn connections_without_a_pool_have_no_name() {
    use sqlx::{Connection, SqliteConnection};
    let before = scrape().sum(COUNT, &[of(""), ("db_operation_name", "PRAGMA")]);
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sends_bare(&mut connection).await;
    let after = scrape().sum(COUNT, &[of(""), ("db_operation_name", "PRAGMA")]);
    assert_eq!(after - before, 1.0);
}

#[track]
async fn sends_bare(connection: &mut sqlx::SqliteConnection) {
    sqlx::query("PRAGMA user_version")
        .execute(connection)
        .await
        .unwrap();
}
