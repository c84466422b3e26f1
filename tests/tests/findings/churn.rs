//! `connection_churn`: connections that are opened and closed all the time, and why; and pools that only look like it.

#![expect(
    clippy::duplicate_mod,
    reason = "the suite is compiled once for each server"
)]

use std::time::Duration;

use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::{SqlitePool, track};

use crate::common::{TestPool, assert_certainty};

mod embedded;
mod mysql;
mod postgres;

/// Asserts that the finding is certain of a cause, and says so with these words in title, cause and help.
#[track_caller]
fn assert_says(found: &Finding, certainty: Certainty, words: [&str; 3]) {
    let all = found.render();
    assert_certainty(found, certainty);
    assert!(found.title.contains(words[0]), "{all}");
    assert!(found.cause.contains(words[1]), "{all}");
    assert!(
        found.help.iter().any(|help| help.contains(words[2])),
        "{all}"
    );
    let anew = [
        "a second are made anew, and each takes ",
        "a second are opened and thrown away, and each takes ",
    ];
    assert!(anew.iter().any(|anew| found.title.contains(anew)), "{all}");
    assert!(!found.help[0].contains("max_connections"), "{all}");
}

/// Closes a connection after each use.
#[track]
async fn closes(pool: &SqlitePool) {
    loop {
        pool.acquire().await.unwrap().close().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for the report about a pool that churns from now on. By then, the watchdog has judged the last ten seconds of every other
/// pool as well.
async fn witnessed() {
    let pool = TestPool::of(crate::common::in_memory().await);
    tokio::select! {
        () = closes(&pool) => unreachable!("it does not end"),
        _ = pool.first_of(Lint::ConnectionChurn) => {}
    }
}
