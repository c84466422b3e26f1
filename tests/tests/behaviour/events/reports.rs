//! The start line, the reporter's lines, and the table.

use leash_tests::in_child;
use sqlx::leash::{self, Config, PoolExt};
use sqlx::postgres::PgPoolOptions;
use sqlx::{SqlitePool, track};
use tokio::time::Duration;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;

use crate::common::{marked, pool, until};

use super::Collected;

/// One line for the process and one for each pool in use, and no password in any of them.
#[test]
fn the_start_line_has_no_password() {
    let _ = in_child(
        "events::reports::the_start_line_has_no_password",
        &[],
        |runtime| {
            let _inside = runtime.enter();
            let (collected, _guard) = Collected::start();
            let url = "postgres://somebody:hunter2@localhost:1/clinic?application_name=x";
            let options = || {
                PgPoolOptions::new()
                    .max_connections(7)
                    .acquire_timeout(Duration::from_millis(1))
            };
            let first = options().connect_lazy(url).unwrap();
            let second = options().connect_lazy(url).unwrap().named("reports");
            for pool in [&first, &first.clone(), &second] {
                runtime.block_on(pool.acquire()).unwrap_err();
            }
            let lines = collected.of("sqlx_leash");
            assert_eq!(
                lines.len(),
                3,
                "one for the process, one for each pool: {lines:#?}"
            );
            assert!(lines.iter().all(|line| line.level == Level::INFO));
            for line in &lines[1..] {
                assert_eq!(line.field("db.system.name"), "postgresql");
                assert_eq!(line.field("db.namespace"), "clinic");
                assert_eq!(line.field("max_connections"), "7");
                assert!(line.field("code.file.path").ends_with("events/reports.rs"));
            }
            assert_eq!(
                lines[1].field("db.client.connection.pool.name"),
                "localhost:1/clinic"
            );
            assert_eq!(lines[2].field("db.client.connection.pool.name"), "reports");
            let text = collected.text()
                + &format!("{:?}", leash::snapshot())
                + &leash::snapshot().to_string();
            assert!(
                !text.contains("hunter2") && !text.contains("somebody"),
                "{text}"
            );
        },
    );
}

/// In its own process: a report covers the whole process since the last report.
#[test]
fn a_report_lists_pools_and_call_sites() {
    #[track]
    async fn reported(pool: &SqlitePool) {
        sqlx::query("SELECT 1").execute(pool).await.unwrap(); // @reported
    }
    let _ = in_child(
        "events::reports::a_report_lists_pools_and_call_sites",
        &[],
        |runtime| {
            let (collected, _guard) = Collected::start();
            runtime.block_on(async {
                let (busy, idle) = (pool().await, pool().await);
                leash::report();
                collected.0.lock().unwrap().clear();
                for _ in 0..3 {
                    reported(&busy).await;
                }
                let held = busy.acquire().await.unwrap();
                leash::report();
                let pools = collected.of("sqlx_leash::pool");
                assert_eq!(pools.len(), 2, "{pools:#?}");
                assert!(pools.iter().all(|seen| seen.level == Level::INFO));
                assert_eq!(
                    pools[0].field("db.client.connection.pool.name"),
                    busy.name()
                );
                assert_eq!(
                    (
                        pools[0].field("acquired"),
                        pools[0].field("held"),
                        pools[0].field("waiting")
                    ),
                    ("4", "1", "0")
                );
                assert!(
                    pools[1].field("message").contains(idle.name()),
                    "idle pools share a line: {pools:#?}"
                );
                assert_eq!(pools[0].field("most_held"), "1");
                let message = pools[0].field("message");
                assert!(message.contains("; needed on average "), "{message}");
                let opened = format!("; {} connection", pools[0].field("opened"));
                assert!(message.contains(&opened), "{message}");
                assert_eq!(pools[0].field("closed"), "0");
                let sites = collected.of("sqlx_leash::sites");
                assert_eq!(sites.len(), 1, "{sites:#?}");
                assert_eq!(
                    (sites[0].field("calls"), sites[0].field("db.query.summary")),
                    ("3", "SELECT")
                );
                assert_eq!(
                    sites[0].field("code.line.number"),
                    marked("reported", "execute").line.to_string()
                );
                drop(held);

                // The next report covers the time since this one.
                collected.0.lock().unwrap().clear();
                reported(&busy).await;
                leash::report();
                assert_eq!(collected.of("sqlx_leash::sites")[0].field("calls"), "1");
                collected.0.lock().unwrap().clear();
                leash::report();
                assert_eq!(collected.of("sqlx_leash::sites").len(), 0);
            });
        },
    );
}

#[test]
fn the_reporter_reports_by_itself() {
    let variables = [("SQLX_LEASH", "report=10ms")];
    let _ = in_child(
        "events::reports::the_reporter_reports_by_itself",
        &variables,
        |runtime| {
            let collected = Collected::default();
            // The reporter runs on its own thread.
            tracing::subscriber::set_global_default(
                tracing_subscriber::registry().with(collected.clone()),
            )
            .unwrap();
            let pool = runtime.block_on(pool());
            leash::spawn_reporter();
            leash::spawn_reporter();
            while collected.of("sqlx_leash::pool").len() < 2 {
                std::thread::yield_now();
            }
            drop(pool);
        },
    );
}

/// The interval may change while the reporter sleeps.
#[test]
fn the_reporter_follows_a_changed_interval() {
    fn sleeps() -> bool {
        std::fs::read_dir("/proc/self/task").unwrap().any(|task| {
            let status = std::fs::read_to_string(task.unwrap().path().join("status"));
            // The kernel truncates the name.
            status.is_ok_and(|it| it.contains("sqlx-leash-repo") && it.contains("State:\tS"))
        })
    }
    let test = "events::reports::the_reporter_follows_a_changed_interval";
    let _ = in_child(test, &[], |runtime| {
        let collected = Collected::default();
        let subscriber = tracing_subscriber::registry().with(collected.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let every = |interval| Config::new().report_every(interval).install();
        runtime.block_on(async {
            let pool = pool().await;
            every(Duration::from_hours(1));
            leash::spawn_reporter();
            until("it sleeps", sleeps).await;
            every(Duration::from_millis(10));
            until("it reports", || collected.of("sqlx_leash::pool").len() > 1).await;
            drop(pool);
        });
    });
}

/// The table lists every call site that the counters count.
#[tokio::test]
async fn the_table_has_a_row_for_each_call_site() {
    #[track(name = "a row of the table")]
    async fn in_table(pool: &SqlitePool) {
        sqlx::query("SELECT 'in the table'")
            .execute(pool) // @table
            .await
            .unwrap();
    }
    let pool = pool().await;
    in_table(&pool).await;
    let _held = pool.acquire().await.unwrap();
    let table = leash::snapshot().to_string();
    let place = marked("table", "execute");
    let row = table
        .lines()
        .find(|line| line.contains("a row of the table"))
        .expect("the call site has a row");
    assert!(
        row.contains(&format!("{}:{}:{}", place.file, place.line, place.column)),
        "{row}"
    );
    assert!(table.contains(pool.name()), "{table}");
}
