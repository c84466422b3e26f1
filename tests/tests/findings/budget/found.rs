//! The statement over the budget.

use futures::FutureExt;
use sqlx::leash::testing::{counting, findings};
use sqlx::leash::{self, Certainty, Level, Lint, ScopeExt};
use sqlx::{SqlitePool, track};

use crate::common::{
    DENY_IN_DEBUG, Place, Says, declared, in_child_under, marked, only, path_of, pool, rendered,
};

#[track(max_queries = 2)]
async fn three_of_two(pool: &SqlitePool) {
    sqlx::query("SELECT 1").execute(pool).await.unwrap(); // @first
    sqlx::query("SELECT 2").execute(pool).await.unwrap(); // @second
    sqlx::query("SELECT 3 FROM exam")
        .execute(pool) // @third
        .await
        .unwrap();
    sqlx::query("SELECT 4").execute(pool).await.unwrap();
    sqlx::query("SELECT 5").execute(pool).await.unwrap();
}

#[tokio::test]
async fn reported_at_the_one_over_and_once() {
    let pool = pool().await;
    let ((), found) = findings(three_of_two(&pool)).await;
    Says {
        lint: Lint::QueryBudget,
        level: DENY_IN_DEBUG,
        certainty: Certainty::Certain,
        primary: marked("third", "execute"),
        function: Some("findings::budget::found::three_of_two"),
        title: &["findings::budget::found::three_of_two sends its 3rd statement; its budget is 2"],
        related: &[
            ("the budget is set here", declared("three_of_two")),
            ("1 statement sent here", marked("first", "execute")),
            ("1 statement sent here", marked("second", "execute")),
        ],
        facts: &["budget 2", "this statement SELECT exam"],
        help: &["#[track(max_queries = 3)]"],
    }
    .check(&only(found));
}

#[track]
async fn two_of_any(pool: &SqlitePool) {
    for _ in 0..2 {
        sqlx::query("SELECT 1")
            .execute(pool) // @two of any
            .await
            .unwrap();
    }
}

#[track]
async fn two_of_any_below(pool: &SqlitePool) {
    two_of_any(pool).await;
}

/// The budget applies to every root scope, but not to the scopes that the test itself opens around it.
#[test]
fn of_every_root_scope() {
    let test = "budget::found::of_every_root_scope";
    let _ = in_child_under(test, "query_budget=warn:1", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            let ((), found) = findings(three_of_two(&pool)).await;
            assert!(
                only(found).title.contains("its budget is 2"),
                "its own budget"
            );
            let nested = findings(counting(two_of_any_below(&pool)));
            let (((), sent), found) = nested.await;
            assert_eq!(sent, 2);
            let finding = only(found);
            Says {
                lint: Lint::QueryBudget,
                level: Level::Warn,
                certainty: Certainty::Certain,
                primary: marked("two of any", "execute"),
                function: Some("findings::budget::found::two_of_any_below"),
                title: &["two_of_any_below sends its 2nd statement; its budget is 1"],
                related: &[("the root scope", declared("two_of_any_below"))],
                facts: &["budget 1"],
                help: &["#[track(max_queries = 2)]"],
            }
            .check(&finding);
            let rendered = finding.render();
            assert!(
                rendered.contains("`query_budget=1` is set for every root scope"),
                "{rendered}"
            );
            let carried = counting(async {
                let pool = (*pool).clone();
                tokio::spawn(async move { two_of_any(&pool).await }.in_current_scope())
                    .await
                    .unwrap();
            });
            let (_, found) = findings(carried).await;
            assert_eq!(only(found).lint, Lint::QueryBudget, "a root in a task");
        });
    });
}

#[track(max_queries = 3)]
async fn one_by_one(pool: &SqlitePool) {
    for id in 0..5 {
        sqlx::query("SELECT name FROM exam WHERE id = ?")
            .bind(id)
            .fetch_optional(pool) // @one by one
            .await
            .unwrap();
    }
}

#[track(max_queries = 1)]
async fn writes_one_by_one(pool: &SqlitePool) {
    for id in 0..3 {
        sqlx::query("INSERT INTO exam VALUES (?, 'a')")
            .bind(id)
            .execute(pool) // @writes one by one
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_loop_is_advised_to_send_one_query() {
    let pool = pool().await;
    let ((), found) = findings(one_by_one(&pool)).await;
    let found = only(found);
    let place = marked("one by one", "fetch_optional");
    assert_eq!(Place::from(&found.primary), place);
    let help = format!(
        "`SELECT exam` at {}:{} was sent 4 times: read all",
        place.file, place.line
    );
    assert!(found.help[0].starts_with(&help), "{:?}", found.help);

    let ((), found) = findings(writes_one_by_one(&pool)).await;
    let found = only(found);
    assert_eq!(
        Place::from(&found.primary),
        marked("writes one by one", "execute")
    );
    assert!(
        found.help[0].contains("write all rows in one statement"),
        "{:?}",
        found.help
    );
}

#[track]
pub(super) async fn two(pool: &SqlitePool) {
    sqlx::query("SELECT 1").execute(pool).await.unwrap();
    sqlx::query("SELECT 2").execute(pool).await.unwrap(); // @second of a callee
}

#[track(max_queries = 3)]
async fn calls_twice(pool: &SqlitePool) {
    two(pool).await;
    two(pool).await;
}

#[track(max_queries = 3)]
async fn carries(pool: &SqlitePool) {
    two(pool).await;
    let pool = pool.clone();
    tokio::spawn(async move { two(&pool).await }.in_current_scope())
        .await
        .unwrap();
}

#[track(max_queries = 3)]
async fn scopes(pool: &SqlitePool) {
    leash::scope("first", two(pool)).await;
    leash::scope("second", two(pool)).await;
}

#[tokio::test]
async fn statements_of_callees_count_too() {
    let pool = pool().await;
    for (function, future) in [
        ("calls_twice", calls_twice(&pool).boxed()),
        ("carries", carries(&pool).boxed()),
        ("scopes", scopes(&pool).boxed()),
    ] {
        let ((), found) = findings(future).await;
        let found = only(found);
        assert_eq!(
            Place::from(&found.primary),
            marked("second of a callee", "execute")
        );
        assert_eq!(
            found.function,
            Some(format!("findings::{}", path_of(function)))
        );
    }
}

#[track(max_queries = 1)]
async fn inner_budget(pool: &SqlitePool) {
    sqlx::query("SELECT 1").execute(pool).await.unwrap();
    sqlx::query("SELECT 2").execute(pool).await.unwrap(); // @breaks two
}

#[track(max_queries = 1)]
async fn outer_budget(pool: &SqlitePool) {
    inner_budget(pool).await;
}

#[tokio::test]
async fn each_scope_is_reported_for_its_own_statements() {
    let pool = pool().await;
    let ((), found) = findings(outer_budget(&pool)).await;
    assert_eq!(found.len(), 2, "{}", rendered(&found));
    for (found, function) in found.iter().zip(["inner_budget", "outer_budget"]) {
        assert_eq!(Place::from(&found.primary), marked("breaks two", "execute"));
        assert_eq!(
            found.function,
            Some(format!("findings::{}", path_of(function)))
        );
    }
    let ((), found) = findings(async {
        inner_budget(&pool).await;
        inner_budget(&pool).await;
    })
    .await;
    assert_eq!(
        found.len(),
        2,
        "each execution has a budget: {}",
        rendered(&found)
    );
}
