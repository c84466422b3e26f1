//! A finding's event is in the span in which its handle was acquired.

use sqlx::{SqlitePool, track};
use std::sync::Mutex;
use tracing::{Instrument, Level, info_span, instrument};

use crate::common::{Tx, full_name, marked, poll_until, pool};

use super::Collected;

/// A finding is reported in the span in which its handle was acquired, wherever it is detected.
#[tokio::test]
async fn findings_stand_in_the_span_of_the_acquire() {
    static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());
    #[track(warn(outlived_scope))]
    async fn loses_later(pool: &SqlitePool) {
        let tx = async { pool.begin().await.unwrap() } // @span
            .instrument(info_span!("acquiring"))
            .await;
        KEPT.lock().unwrap().push(tx);
    }
    #[track]
    #[instrument(skip_all)]
    async fn takes(pool: &SqlitePool) -> Tx {
        pool.begin().await.unwrap()
    }
    #[track(warn(outlived_scope))]
    async fn loses_what_was_handed_up(pool: &SqlitePool) {
        let tx = takes(pool).await;
        KEPT.lock().unwrap().push(tx);
    }
    let pool = pool().await;
    let (collected, _guard) = Collected::start();
    loses_later(&pool).instrument(info_span!("request")).await;
    loses_what_was_handed_up(&pool)
        .instrument(info_span!("request"))
        .await;
    let mut findings = collected.of("sqlx_leash::finding");
    findings.retain(|seen| seen.field("lint") == "outlived_scope");
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert_eq!(findings[0].spans, ["request", "acquiring"]);
    assert_eq!(findings[1].spans, ["request", "takes"]);
    let place = marked("span", "begin");
    assert_eq!(findings[0].level, Level::WARN);
    assert_eq!(findings[0].field("lint_level"), "warn");
    assert_eq!(findings[0].field("certainty"), "certain");
    assert_eq!(findings[0].field("code.file.path"), place.file);
    assert_eq!(
        findings[0].field("code.line.number"),
        place.line.to_string()
    );
    assert_eq!(
        findings[0].field("db.client.connection.pool.name"),
        pool.name()
    );
    let function =
        full_name("events::findings::findings_stand_in_the_span_of_the_acquire::loses_later");
    assert_eq!(findings[0].field("code.function.name"), function);
    assert!(
        findings[0].field("message").contains(&function),
        "{:#?}",
        findings[0]
    );
}

/// A scope that ends by cancellation must not panic: at deny, it reports at ERROR.
#[tokio::test]
async fn a_denied_finding_of_a_cancelled_scope_is_an_error() {
    static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());
    #[track(deny(outlived_scope))]
    async fn cancelled(pool: &SqlitePool) {
        let tx = pool.begin().await.unwrap();
        KEPT.lock().unwrap().push(tx);
        std::future::pending::<()>().await;
    }
    let pool = pool().await;
    let (collected, _guard) = Collected::start();
    poll_until(cancelled(&pool), || !KEPT.lock().unwrap().is_empty()).await;
    let findings = collected.of("sqlx_leash::finding");
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(
        (findings[0].level, findings[0].field("lint_level")),
        (Level::ERROR, "deny")
    );
}
