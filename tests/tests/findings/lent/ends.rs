//! When a function that was lent the connection has returned, its holder has the connection idle.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, SqliteConnection, track};

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

/// The source does not show whether a method of another trait borrows the handle or takes it.
trait OneRow {
    async fn one(&mut self);
}

#[track]
impl OneRow for SqliteConnection {
    async fn one(&mut self) {
        sqlx::query("SELECT 1").execute(self).await.unwrap();
    }
}

#[track(held_idle = "100ms")]
async fn rests_after_a_method(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    conn.one().await;
    idle(pool).await;
}

#[track]
async fn rests_between(conn: &mut SqliteConnection, pool: &TestPool) {
    inserts(&mut *conn).await.unwrap();
    idle(pool).await;
    inserts(conn).await.unwrap();
}

#[track(held_idle = "100ms")]
async fn lends_to_what_lends(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    rests_between(&mut conn, pool).await;
}

/// The variable of the connection does not stay: it is a field.
struct Owner {
    conn: PoolConnection<Sqlite>,
}

impl Owner {
    fn repo(&mut self) -> Repo<'_> {
        Repo {
            conn: &mut self.conn,
        }
    }
}

#[track(held_idle = "100ms")]
async fn rests_with_an_owner(pool: &TestPool) {
    let mut owner = Owner {
        conn: pool.acquire().await.unwrap(),
    };
    let mut repo = owner.repo();
    repo.add().await;
    idle(pool).await;
    repo.add().await;
    drop(owner);
}

#[tokio::test]
async fn likely_where_the_source_does_not_show_the_loan() {
    let pool = pool().await;
    let ((), found) = findings(rests_after_a_method(&pool)).await;
    held_idle(found, Certainty::Likely);
    let pool = crate::common::pool().await;
    let ((), found) = findings(lends_to_what_lends(&pool)).await;
    let found = held_idle(found, Certainty::Likely);
    assert_eq!(
        said(&found, "was lent"),
        "to findings::lent::ends::rests_between, which has not returned"
    );
    let pool = crate::common::pool().await;
    let ((), found) = findings(rests_with_an_owner(&pool)).await;
    held_idle(found, Certainty::Likely);
}

/// Code without the attribute that uses it for long.
async fn works_unseen(conn: &mut SqliteConnection) {
    sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
    watched().await;
    sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
}

#[track]
async fn lends_between(conn: &mut SqliteConnection) {
    inserts(&mut *conn).await.unwrap();
    works_unseen(&mut *conn).await;
    inserts(conn).await.unwrap();
}

#[track]
async fn sends_and_lends(conn: &mut SqliteConnection) {
    sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
    works_unseen(conn).await;
}

#[track(held_idle = "50ms")]
async fn lends_to_what_lends_to_unseen_code(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    lends_between(&mut conn).await;
    sends_and_lends(&mut conn).await;
    let mut owner = Owner { conn };
    lends_between(&mut owner.conn).await;
    sends_and_lends(&mut owner.conn).await;
}

/// Its future is not awaited in a call that is passed the connection.
#[track]
async fn joins(conn: &mut SqliteConnection) {
    inserts(&mut *conn).await.unwrap();
    futures::join!(works_unseen(conn));
}

#[track(held_idle = "50ms")]
async fn lends_to_what_joins(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    joins(&mut conn).await;
}

#[tokio::test]
async fn not_while_a_helper_lends_it_to_unseen_code() {
    let pool = pool().await;
    silent(lends_to_what_lends_to_unseen_code(&pool)).await;
    silent(lends_to_what_joins(&pool)).await;
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
