//! What is judged of a request.

use std::sync::Mutex;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Lint};
use sqlx::{SqlitePool, track};

use super::{answer, empty, layer, row, text};
use crate::common::{Tx, marked, pool};

#[track]
async fn one_by_one(pool: &SqlitePool) {
    for id in 0..12 {
        sqlx::query("SELECT name FROM exam WHERE id = ?")
            .bind(id)
            .fetch_all(pool) // @one_by_one
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_repeated_query_names_its_request() {
    let pool = &pool().await;
    let (response, found) = findings(answer(layer(), ("GET", "/repeats"), async |_| {
        one_by_one(pool).await;
        empty()
    }))
    .await;
    drop(response);
    let [repeats] = &found[..] else {
        panic!("{found:#?}");
    };
    let place = marked("one_by_one", "fetch_all");
    assert_eq!(repeats.lint, Lint::NPlusOne);
    assert_eq!(
        (repeats.primary.line, repeats.primary.column),
        (place.line, place.column)
    );
    assert!(
        repeats
            .title
            .contains("12 times in one call of GET /repeats"),
        "{}",
        repeats.title
    );
    let row = row("GET", "/repeats");
    let [repeated] = &row.repeated[..] else {
        panic!("{row:#?}");
    };
    assert_eq!((repeated.requests, repeated.most), (1, 12));
    assert_eq!(repeated.site.as_ref().unwrap().line, place.line);
}

/// Two requests that repeat little each do not add up, and what is cut short is not judged.
#[tokio::test]
async fn each_request_is_judged_by_itself() {
    let pool = &pool().await;
    let few = async || {
        for id in 0..6 {
            let sql = "SELECT id FROM exam WHERE id = ?";
            sqlx::query(sql).bind(id).fetch_all(&**pool).await.unwrap();
        }
    };
    let ((), found) = findings(async {
        for _ in 0..3 {
            answer(layer(), ("GET", "/few"), async |_| {
                few().await;
                empty()
            })
            .await;
        }
        let cut = answer(layer(), ("GET", "/cut"), async |_| {
            one_by_one(pool).await;
            text("is dropped")
        });
        drop(cut.await);
    })
    .await;
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(row("GET", "/few").repeated[0].requests, 3);
    assert_eq!(row("GET", "/cut").cancelled, 1);
}

/// A handle that a request leaves behind is reported at its end, likely: a task may have it.
#[tokio::test]
async fn a_handle_that_outlives_its_request_is_reported() {
    static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());
    let pool = &pool().await;
    let ((), found) = findings(async {
        let response = answer(layer(), ("POST", "/keeps"), async |_| {
            let tx = pool.begin().await.unwrap(); // @kept
            KEPT.lock().unwrap().push(tx);
            text("a body")
        })
        .await;
        // Until the body is gone, it may have the handle.
        assert_eq!(pool.handles()[0].scope.as_deref(), Some("POST /keeps"));
        drop(response);
    })
    .await;
    let [leak] = &found[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(
        (leak.lint, leak.certainty),
        (Lint::OutlivedScope, Certainty::Likely)
    );
    assert_eq!(leak.primary.line, marked("kept", "begin").line);
    assert_eq!(
        leak.title,
        "POST /keeps ended while a transaction that it took is still alive"
    );
    assert_eq!(pool.handles()[0].scope, None);
    KEPT.lock().unwrap().clear();
}

/// A transaction that wrote and was dropped is reported, unless the response is an error.
#[tokio::test]
async fn an_implicit_rollback_is_judged_by_the_response() {
    async fn writes_and_drops(pool: &SqlitePool) {
        let mut tx = pool.begin().await.unwrap();
        let sql = "INSERT INTO exam (name) VALUES ('lost')";
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    let pool = &pool().await;
    let mut lost = Vec::new();
    for (status, grpc) in [
        (StatusCode::OK, None),
        (StatusCode::OK, Some("0")),
        (StatusCode::OK, Some("5")),
        (StatusCode::CONFLICT, None),
    ] {
        let (_, found) = findings(answer(layer(), ("POST", "/drops"), async |_| {
            writes_and_drops(pool).await;
            let mut response = empty();
            *response.status_mut() = status;
            if let Some(code) = grpc {
                let code = HeaderValue::from_static(code);
                response.headers_mut().insert("grpc-status", code);
            }
            response
        }))
        .await;
        let found = found.iter().filter(|it| it.lint == Lint::ImplicitRollback);
        lost.push(found.count());
    }
    assert_eq!(lost, [1, 1, 0, 0]);
}

#[tokio::test]
async fn a_request_over_its_budget_is_counted() {
    let pool = &pool().await;
    let long = Duration::from_mins(1);
    for (budget, route) in [
        ((12, long), "/within"),
        ((11, long), "/over-statements"),
        ((100, Duration::ZERO), "/over-time"),
    ] {
        answer(
            layer().budget(budget.0, budget.1),
            ("GET", route),
            async |_| {
                one_by_one(pool).await;
                empty()
            },
        )
        .await;
    }
    assert_eq!(row("GET", "/within").over_budget, 0);
    assert_eq!(row("GET", "/over-statements").over_budget, 1);
    assert_eq!(row("GET", "/over-time").over_budget, 1);
}
