//! Findings that are reported once, and the line that follows them.

use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::{Executor, track};

use crate::common::{
    self, Lines, TestPool, in_child_under, marked, pool, received, reported, watched,
};

#[track(held_idle = "100ms")]
async fn idles_twice(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    reported(pool.name(), Lint::HeldIdle, 1).await;
    // The same idle stretch is not reported again.
    watched().await;
    assert_eq!(received(pool.name()).len(), 1);
    conn.execute("SELECT 1").await.unwrap();
    reported(pool.name(), Lint::HeldIdle, 2).await;
}

#[tokio::test]
async fn each_stretch_is_reported_once() {
    let pool = pool().await;
    let ((), found) = findings(idles_twice(&pool)).await;
    assert_eq!(found.len(), 2);
}

#[track(held_idle = "100ms")]
async fn comes_back(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap(); // @comes back
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

#[track]
async fn never_late(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    conn.execute("SELECT 1").await.unwrap();
}

#[test]
fn a_line_reports_the_late_release() {
    let _ = in_child_under(
        "held::repeats::a_line_reports_the_late_release",
        "",
        |runtime| {
            let lines = Lines::of_process();
            runtime.block_on(async {
                let pool = pool().await;
                comes_back(&pool).await;
                never_late(&pool).await;
                let place = marked("comes back", "acquire");
                // The watchdog logs a finding after it has called the callbacks.
                let logged = || lines.of("sqlx_leash::finding").len() >= 2;
                common::until("both are logged", logged).await;
                let mut lines = lines.of("sqlx_leash::finding");
                lines.sort_by_key(|line| line.starts_with("INFO"));
                assert_eq!(lines.len(), 2, "{lines:#?}");
                assert!(
                    lines[0].starts_with("WARN warning[held_idle]: "),
                    "{lines:#?}"
                );
                let line = format!(
                    "INFO held_idle: the handle taken at {}:{}:{} was released after ",
                    place.file, place.line, place.column
                );
                assert!(lines[1].starts_with(&line), "{lines:#?}");
                assert!(
                    lines[1].contains("with the database") && lines[1].ends_with("without"),
                    "{lines:#?}"
                );
            });
        },
    );
}
