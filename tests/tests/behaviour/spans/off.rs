//! No span is made where none is asked for, or where no subscriber wants it.

use leash_tests::in_child;
use sqlx::leash::{Config, Spans};
use sqlx::{SqlitePool, track};
use tracing::{Instrument, Level, info_span};

use super::Exported;
use crate::common::pool;

#[track]
async fn statements(pool: &SqlitePool) {
    sqlx::query("SELECT * FROM exam")
        .fetch_all(pool)
        .await
        .unwrap();
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT * FROM exam")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// The names of the spans that are exported of [`statements`].
async fn exported(wants: fn(&tracing::Metadata<'_>) -> bool) -> Vec<String> {
    let pool = pool().await;
    let exported = Exported::of(wants);
    statements(&pool).instrument(info_span!("request")).await;
    // It is open while one of its handles is on its way back.
    exported.await_one("request").await;
    // sqlx's thread has left all spans of its statements before it closes its connection.
    pool.close().await;
    let spans = exported.all();
    spans.iter().map(|span| span.name.to_string()).collect()
}

#[test]
fn only_what_is_asked_for() {
    in_child("spans::off::only_what_is_asked_for", &[], |runtime| {
        runtime.block_on(async {
            let info = |metadata: &tracing::Metadata<'_>| *metadata.level() <= Level::INFO;
            assert_eq!(exported(info).await, ["request"], "off is the default");
            Config::new().spans(Spans::Statements).install();
            assert_eq!(
                exported(info).await,
                ["SELECT exam", "SELECT exam", "request"]
            );
            assert_eq!(
                exported(|metadata| metadata.name() == "request").await,
                ["request"],
                "no subscriber wants the others"
            );
            Config::new().install();
            assert_eq!(
                exported(info).await,
                ["request"],
                "the next install beats it"
            );
        });
    });
}

#[test]
fn the_environment_beats_the_code() {
    let test = "spans::off::the_environment_beats_the_code";
    in_child(test, &[("SQLX_LEASH", "spans=off")], |runtime| {
        Config::new().spans(Spans::All).install();
        let names = runtime.block_on(exported(|metadata| *metadata.level() <= Level::INFO));
        assert_eq!(names, ["request"]);
    });
}

#[test]
fn none_while_the_tracker_is_off() {
    let test = "spans::off::none_while_the_tracker_is_off";
    in_child(test, &[("SQLX_LEASH", "spans=all,off")], |runtime| {
        let names = runtime.block_on(exported(|metadata| *metadata.level() <= Level::INFO));
        assert_eq!(names, ["request"]);
    });
}
