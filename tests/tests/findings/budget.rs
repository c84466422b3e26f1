//! `query_budget`: told at the statement over it, once for each scope, before it is sent.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, TryStreamExt};
use sqlx::leash::testing::{counting, findings};
use sqlx::leash::{self, Certainty, Level, Lint, ScopeExt};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{Executor, MySqlPool, SqlitePool, track};

use crate::support::{
    self, DENY_IN_DEBUG, HUNDRED, Place, Says, TestPool, assert_none, declared, in_child, marked,
    only, pool, rendered,
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
async fn told_at_the_one_over_and_once() {
    let pool = pool().await;
    let ((), found) = findings(three_of_two(&pool)).await;
    Says {
        lint: Lint::QueryBudget,
        level: DENY_IN_DEBUG,
        certainty: Certainty::Certain,
        primary: marked("third", "execute"),
        function: Some("findings::budget::three_of_two"),
        title: &["findings::budget::three_of_two sends its 3rd statement; its budget is 2"],
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

/// A budget for every root scope; a test's own scopes around it are none.
#[test]
fn of_every_root_scope() {
    let test = "budget::of_every_root_scope";
    let _ = in_child(test, "query_budget=warn:1", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            let ((), found) = findings(three_of_two(&pool)).await;
            assert!(only(found).title.contains("its budget is 2"), "its own");
            let nested = findings(counting(two_of_any_below(&pool)));
            let (((), sent), found) = nested.await;
            assert_eq!(sent, 2);
            let finding = only(found);
            Says {
                lint: Lint::QueryBudget,
                level: Level::Warn,
                certainty: Certainty::Certain,
                primary: marked("two of any", "execute"),
                function: Some("findings::budget::two_of_any_below"),
                title: &["two_of_any_below sends its 2nd statement; its budget is 1"],
                related: &[("the root scope is this one", declared("two_of_any_below"))],
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
async fn a_loop_is_told_what_to_do_instead() {
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
async fn two(pool: &SqlitePool) {
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
async fn what_is_called_counts_too() {
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
            Some(format!("findings::budget::{function}"))
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
async fn each_scope_is_told_of_its_own() {
    let pool = pool().await;
    let ((), found) = findings(outer_budget(&pool)).await;
    assert_eq!(found.len(), 2, "{}", rendered(&found));
    for (found, function) in found.iter().zip(["inner_budget", "outer_budget"]) {
        assert_eq!(Place::from(&found.primary), marked("breaks two", "execute"));
        assert_eq!(
            found.function,
            Some(format!("findings::budget::{function}"))
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

#[track(max_queries = 2)]
async fn within_a_transaction(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT 1").execute(&mut *tx).await.unwrap();
    sqlx::query("SELECT 2").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

#[track(max_queries = 1)]
async fn several_in_one(pool: &SqlitePool) {
    sqlx::raw_sql("SELECT 1; SELECT 2; SELECT 3")
        .execute(pool)
        .await
        .unwrap();
}

#[track(max_queries = 1)]
async fn one_stream(pool: &SqlitePool) {
    let rows: Vec<_> = sqlx::query(HUNDRED)
        .fetch(pool)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rows.len(), 100);
}

#[track(max_queries = 1)]
async fn no_statement(pool: &SqlitePool) {
    let mut conn = pool.acquire().await.unwrap();
    sqlx::Connection::ping(&mut **conn).await.unwrap();
    conn.prepare(sqlx::SqlSafeStr::into_sql_str("SELECT 1"))
        .await
        .unwrap();
    drop(sqlx::query("SELECT 1").execute(&mut *conn));
    drop(sqlx::query("SELECT 1").execute(&mut *conn));
}

#[track(max_queries = 2)]
async fn exactly(pool: &SqlitePool) {
    two(pool).await;
}

#[track]
async fn no_budget(pool: &SqlitePool) {
    for _ in 0..50 {
        sqlx::query("SELECT 1").execute(pool).await.unwrap();
    }
}

#[track(max_queries = 1, allow(query_budget, reason = "the test wants it"))]
async fn allowed(pool: &SqlitePool) {
    two(pool).await;
}

#[tokio::test]
async fn within_the_budget() {
    let pool = pool().await;
    let ((), found) = findings(async {
        within_a_transaction(&pool).await;
        several_in_one(&pool).await;
        one_stream(&pool).await;
        no_statement(&pool).await;
        exactly(&pool).await;
        no_budget(&pool).await;
        allowed(&pool).await;
    })
    .await;
    assert!(
        found.iter().all(|found| found.lint != Lint::QueryBudget),
        "{}",
        rendered(&found)
    );
}

/// What is found while `future` runs, in a child process.
async fn budgets_broken(future: impl Future<Output = ()>) -> Vec<(String, Level)> {
    use std::sync::Mutex;
    static FOUND: Mutex<Vec<(String, Level)>> = Mutex::new(Vec::new());
    static LISTEN: std::sync::Once = std::sync::Once::new();
    LISTEN.call_once(|| {
        leash::on_finding(|found| {
            if found.lint == Lint::QueryBudget {
                let function = found.function.clone().unwrap();
                FOUND.lock().unwrap().push((function, found.level));
            }
        });
    });
    FOUND.lock().unwrap().clear();
    future.await;
    FOUND.lock().unwrap().clone()
}

#[test]
fn the_environment_limits_root_scopes_only() {
    #[track]
    async fn root(pool: &SqlitePool) {
        two(pool).await;
        two(pool).await;
    }
    #[track(max_queries = 10)]
    async fn generous(pool: &SqlitePool) {
        root(pool).await;
    }
    #[track(root)]
    async fn root_further_in(pool: &SqlitePool) {
        root(pool).await;
    }
    #[track(max_queries = 10)]
    async fn calls_a_root(pool: &SqlitePool) {
        root_further_in(pool).await;
    }
    let test = "budget::the_environment_limits_root_scopes_only";
    let _ = in_child(test, "query_budget=warn:3", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            let name = |function: &str| {
                let module = "findings::budget::the_environment_limits_root_scopes_only";
                format!("{module}::{function}")
            };
            assert_eq!(
                budgets_broken(root(&pool)).await,
                [(name("root"), Level::Warn)]
            );
            // The attribute beats the environment, and what it calls is no root.
            assert_eq!(budgets_broken(generous(&pool)).await, []);
            assert_eq!(
                budgets_broken(calls_a_root(&pool)).await,
                [(name("root_further_in"), Level::Warn)]
            );
            let carried = leash::scope("request", async {
                two(&pool).await;
                let pool = pool.clone();
                tokio::spawn(async move { two(&pool).await }.in_current_scope())
                    .await
                    .unwrap();
            });
            assert_eq!(
                budgets_broken(carried).await,
                [("request".to_owned(), Level::Warn)]
            );
        });
    });
}

#[test]
fn the_environment_beats_code() {
    #[track]
    async fn root(pool: &SqlitePool) {
        two(pool).await;
        two(pool).await;
    }
    let _ = in_child(
        "budget::the_environment_beats_code",
        "query_budget=warn:9",
        |runtime| {
            leash::Config::new().limit(Lint::QueryBudget, 1).install();
            runtime.block_on(async {
                let pool = pool().await;
                assert_eq!(budgets_broken(root(&pool)).await, []);
            });
        },
    );
}

#[track(max_queries = 1)]
async fn breaks_it(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    conn.execute("SELECT 1").await.unwrap();
    let insert = "INSERT INTO exam (name) VALUES ('a')";
    conn.execute(insert).await.unwrap(); // @breaks it
}

#[track(max_queries = 1)]
async fn breaks_it_on_the_pool(pool: &TestPool) {
    sqlx::query("SELECT 1").fetch_all(&**pool).await.unwrap();
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&**pool) // @breaks it on the pool
        .await
        .unwrap();
}

#[track(max_queries = 1)]
async fn breaks_it_by_a_stream(pool: &TestPool) {
    sqlx::query("SELECT 1").fetch_all(&**pool).await.unwrap();
    let mut rows = sqlx::query("INSERT INTO exam (name) VALUES ('a') RETURNING id").fetch(&**pool);
    let _ = rows.try_next().await;
}

#[test]
fn at_deny_it_panics_at_the_query_before_that_is_sent() {
    let test = "budget::at_deny_it_panics_at_the_query_before_that_is_sent";
    let printed = in_child(test, "", |runtime| {
        runtime.block_on(async {
            let pool = support::pool_of(1).await;
            let panics = [
                AssertUnwindSafe(breaks_it(&pool))
                    .catch_unwind()
                    .await
                    .is_err(),
                AssertUnwindSafe(breaks_it_on_the_pool(&pool))
                    .catch_unwind()
                    .await
                    .is_err(),
                AssertUnwindSafe(breaks_it_by_a_stream(&pool))
                    .catch_unwind()
                    .await
                    .is_err(),
            ];
            assert_eq!(panics, [cfg!(debug_assertions); 3]);
            // The only connection has come back, and nothing was written.
            assert!(pool.handles().is_empty());
            let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
                .fetch_one(&*pool)
                .await
                .unwrap();
            assert_eq!(rows == 0, cfg!(debug_assertions));
        });
    });
    if cfg!(debug_assertions) {
        for place in [
            marked("breaks it", "execute"),
            marked("breaks it on the pool", "execute"),
        ] {
            let at = format!(
                "panicked at {}:{}:{}:",
                place.file, place.line, place.column
            );
            assert!(printed.contains(&at), "no `{at}` in:\n{printed}");
        }
        assert_eq!(
            printed
                .matches("panicked at tests/tests/findings/budget.rs")
                .count(),
            3
        );
    }
}

#[track(max_queries = 1, warn(query_budget))]
async fn warned(pool: &TestPool) {
    two(pool).await;
}

#[test]
fn at_warn_nothing_panics_and_the_statement_is_sent() {
    let test = "budget::at_warn_nothing_panics_and_the_statement_is_sent";
    let printed = in_child(test, "", |runtime| {
        runtime.block_on(async { warned(&pool().await).await });
    });
    assert!(!printed.contains("panicked"), "{printed}");
    assert_eq!(
        printed.contains("warning[query_budget]"),
        cfg!(debug_assertions),
        "{printed}"
    );
}

#[tokio::test]
async fn a_cap_keeps_it_from_panicking() {
    let pool = pool().await;
    // Here the collector does.
    let ((), found) = findings(breaks_it(&pool)).await;
    assert_eq!(only(found).level, DENY_IN_DEBUG);
    let ((), found) = findings(exactly(&pool)).await;
    assert_none(&found);
}

/// Nothing was sent, so nothing is to be answered: the connection is worth keeping, also where a statement that was given
/// up has it closed.
#[tokio::test]
async fn what_was_not_sent_was_not_given_up() {
    #[track(max_queries = 1)]
    async fn one_too_many(pool: &MySqlPool) -> sqlx::Result<()> {
        let mut conn = pool.acquire().await?;
        conn.execute("SELECT 1").await?;
        conn.execute("SELECT 2").await?;
        Ok(())
    }
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let options = MySqlPoolOptions::new().max_connections(1);
    let pool = options.connect(db.url()).await.unwrap();
    let session = async || {
        let session: u64 = sqlx::query_scalar("SELECT CONNECTION_ID()")
            .fetch_one(&pool)
            .await
            .unwrap();
        session
    };
    let before = session().await;
    let panicked = AssertUnwindSafe(one_too_many(&pool)).catch_unwind().await;
    assert_eq!(panicked.is_err(), cfg!(debug_assertions));
    assert_eq!(session().await, before, "the same connection");
}
