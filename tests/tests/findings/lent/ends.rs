//! When a function that was lent the connection has returned, its holder has the connection idle.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, track};

use crate::common::{
    HUNDRED, Place, TestPool, assert_certainty, only, pool, reported, said, silent, watched,
};

use super::{inserts, unseen};

async fn idle(pool: &TestPool) {
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

#[track_caller]
fn held_idle(found: Vec<Finding>, certainty: Certainty) -> Finding {
    let found = only(found);
    assert_eq!(found.lint, Lint::HeldIdle);
    assert_certainty(&found, certainty);
    found
}

#[track(held_idle = "100ms")]
async fn rests_after_a_helper(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    inserts(&mut conn).await.unwrap();
    idle(pool).await;
}

#[tokio::test]
async fn certainly_if_the_borrow_was_made_in_the_call() {
    let pool = pool().await;
    let ((), found) = findings(rests_after_a_helper(&pool)).await;
    let found = held_idle(found, Certainty::Certain);
    assert!(said(&found, "last").contains("INSERT exam at tests/tests/findings/lent.rs:"));
    assert_eq!(
        said(&found, "was lent"),
        "to findings::lent::inserts, which has returned"
    );
    let last = &found.related[0];
    assert!(last.label.contains("last used here"), "{}", found.render());
    assert_eq!(Place::from(&last.site), super::insert());
}

struct Repo<'c> {
    conn: &'c mut SqliteConnection,
}

#[track]
impl Repo<'_> {
    async fn add(&mut self) {
        inserts(self.conn).await.unwrap();
    }
}

#[track(held_idle = "100ms")]
async fn rests_with_a_struct(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    let mut repo = Repo { conn: &mut conn };
    repo.add().await;
    idle(pool).await;
    repo.add().await;
}

#[tokio::test]
async fn likely_if_a_struct_has_the_borrow() {
    let pool = pool().await;
    let ((), found) = findings(rests_with_a_struct(&pool)).await;
    held_idle(found, Certainty::Likely);
}

#[track]
async fn rests_itself(conn: &mut SqliteConnection, pool: &TestPool) {
    sqlx::query("SELECT 1").execute(conn).await.unwrap();
    idle(pool).await;
}

#[track(held_idle = "100ms")]
async fn lends_to_what_rests(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    rests_itself(&mut conn, pool).await;
}

#[tokio::test]
async fn likely_while_the_helper_does_something_else() {
    let pool = pool().await;
    let ((), found) = findings(lends_to_what_rests(&pool)).await;
    let found = held_idle(found, Certainty::Likely);
    assert_eq!(
        said(&found, "was lent"),
        "to findings::lent::ends::rests_itself, which has not returned"
    );
}

#[track]
async fn passes_on(conn: &mut SqliteConnection) {
    sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
    for _ in 0..3 {
        unseen(conn).await;
    }
    watched().await;
}

#[track]
fn rows(conn: &mut SqliteConnection) -> BoxStream<'_, sqlx::Result<SqliteRow>> {
    sqlx::query(HUNDRED).fetch(conn).boxed()
}

#[track]
async fn first_and_rows(
    conn: &mut SqliteConnection,
) -> (i64, BoxStream<'_, sqlx::Result<SqliteRow>>) {
    let first = sqlx::query_scalar("SELECT 1").fetch_one(&mut *conn).await;
    (first.unwrap(), sqlx::query(HUNDRED).fetch(conn).boxed())
}

#[track(held_idle = "50ms")]
async fn lends_to_unseen_code(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    passes_on(&mut conn).await;
    inserts(&mut conn).await.unwrap();
    let plain: &mut SqliteConnection = &mut conn;
    inserts(plain).await.unwrap();
    unseen(plain).await;
}

#[track(held_idle = "50ms")]
async fn gets_a_stream_back(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (_, mut stream) = first_and_rows(&mut conn).await;
    // Nobody has asked the stream for a row, so that its statement has not begun.
    watched().await;
    stream.try_next().await.unwrap();
    drop(stream);
    rows(&mut conn).try_next().await.unwrap();
}

#[tokio::test]
async fn not_while_unseen_code_may_have_it() {
    let pool = pool().await;
    silent(lends_to_unseen_code(&pool)).await;
    silent(gets_a_stream_back(&pool)).await;
}
