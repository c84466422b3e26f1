//! What is reported once, and the line that follows.

use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::{Executor, track};

use crate::common::{self, Lines, TestPool, heard, in_child_under, marked, pool, told, watched};

#[track(held_idle = "100ms")]
async fn idles_twice(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    told(pool.name(), Lint::HeldIdle, 1).await;
    // The same stretch is not told again.
    watched().await;
    assert_eq!(heard(pool.name()).len(), 1);
    conn.execute("SELECT 1").await.unwrap();
    told(pool.name(), Lint::HeldIdle, 2).await;
}

#[tokio::test]
async fn each_stretch_is_told_once() {
    let pool = pool().await;
    let ((), found) = findings(idles_twice(&pool)).await;
    assert_eq!(found.len(), 2);
}

#[track(held_idle = "100ms")]
async fn comes_back(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap(); // @comes back
    told(pool.name(), Lint::HeldIdle, 1).await;
}

#[track]
async fn never_late(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    conn.execute("SELECT 1").await.unwrap();
}

#[test]
fn a_line_says_that_it_came_back_after_all() {
    let _ = in_child_under(
        "held::repeats::a_line_says_that_it_came_back_after_all",
        "",
        |runtime| {
            let lines = Lines::of_process();
            runtime.block_on(async {
                let pool = pool().await;
                comes_back(&pool).await;
                never_late(&pool).await;
                let place = marked("comes back", "acquire");
                // The watchdog logs what it has told after who listens has heard of it.
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
