//! `n_plus_one` and `redundant_query`: one call site ran many times in one root scope.

use sqlx::leash::Certainty::{Certain, Likely};
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::{SqlitePool, track};

use crate::common::{Place, TestPool, marked, only, pool, related, written};

mod again;
mod evidence;
mod levels;
mod loops;
mod servers;
mod silent;
mod ways;

/// A lookup by its key, at `// @lookup`.
#[track]
async fn lookup(pool: &SqlitePool, id: i64) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("SELECT name FROM exam WHERE id = ?")
        .bind(id)
        .fetch_optional(pool) // @lookup
        .await
}

/// A pool with as many examinations.
async fn exams(number: i64) -> TestPool {
    let pool = pool().await;
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO exam SELECT i, 'exam ' || i FROM n",
    )
    .bind(number)
    .execute(&*pool)
    .await
    .unwrap();
    pool
}

fn at_lookup() -> Place {
    marked("lookup", "fetch_optional")
}

/// The only finding: of this lint and certainty, at this query.
#[track_caller]
fn check(found: Vec<Finding>, lint: Lint, certainty: Certainty, place: &Place) -> Finding {
    let found = only(found);
    assert_eq!(found.lint, lint, "{}", found.render());
    assert_eq!(found.certainty, certainty, "{}", found.render());
    assert_eq!(Place::from(&found.primary), *place, "{}", found.render());
    found
}

#[track_caller]
fn is_labelled(found: &Finding, place: &Place, label: &str) {
    let related = related(found, place);
    assert!(related.label.contains(label), "{}", found.render());
}
