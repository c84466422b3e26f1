//! No span is made where none is asked for, or where no subscriber wants it.

use leash_tests::in_child;
use sqlx::leash::{Config, Spans};
use sqlx::{SqlitePool, track};
use tracing::{Instrument, Level, Metadata, info_span};

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
async fn names(exported: &Exported) -> Vec<String> {
    exported.reset();
    let pool = pool().await;
    statements(&pool).instrument(info_span!("request")).await;
    // It is open while one of its handles is on its way back.
    exported.await_one("request").await;
    // sqlx's thread has left all spans of its statements before it closes its connection.
    pool.close().await;
    let spans = exported.all();
    spans.iter().map(|span| span.name.to_string()).collect()
}

fn at_info(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO
}

#[test]
fn only_what_is_asked_for() {
    in_child("spans::off::only_what_is_asked_for", &[], |runtime| {
        let exported = Exported::of(at_info);
        runtime.block_on(async {
            assert_eq!(names(&exported).await, ["request"], "off is the default");
            Config::new().spans(Spans::Statements).install();
            assert_eq!(
                names(&exported).await,
                ["SELECT exam", "SELECT exam", "request"]
            );
            Config::new().install();
            assert_eq!(
                names(&exported).await,
                ["request"],
                "the next install beats it"
            );
        });
    });
}

#[test]
fn none_that_no_subscriber_wants() {
    let test = "spans::off::none_that_no_subscriber_wants";
    in_child(test, &[("SQLX_LEASH", "spans=all")], |runtime| {
        let exported = Exported::of(|metadata| metadata.name() == "request");
        assert_eq!(runtime.block_on(names(&exported)), ["request"]);
    });
}

#[test]
fn the_environment_beats_the_code() {
    let test = "spans::off::the_environment_beats_the_code";
    in_child(test, &[("SQLX_LEASH", "spans=off")], |runtime| {
        let exported = Exported::of(at_info);
        Config::new().spans(Spans::All).install();
        assert_eq!(runtime.block_on(names(&exported)), ["request"]);
    });
}

#[test]
fn none_while_the_tracker_is_off() {
    let test = "spans::off::none_while_the_tracker_is_off";
    in_child(test, &[("SQLX_LEASH", "spans=all,off")], |runtime| {
        let exported = Exported::of(at_info);
        assert_eq!(runtime.block_on(names(&exported)), ["request"]);
    });
}
