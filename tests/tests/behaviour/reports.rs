//! The text of findings and tables. The times vary from run to run, so each is replaced by `…`.

use expect_test::{Expect, expect};
use leash_tests::settled;
use sqlx::leash::testing::findings;
use sqlx::leash::{PoolExt, Snapshot};
use sqlx::{SqlitePool, track};

use crate::common::{self, Tx};

struct Numbering {
    pool: SqlitePool,
    open: Vec<Tx>,
}

#[track]
impl Numbering {
    async fn begin(&self) -> sqlx::Result<Tx> {
        self.pool.begin().await
    }

    async fn reserve(&mut self) -> sqlx::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO exam (name) VALUES ('a')")
            .execute(&mut *tx)
            .await?;
        self.open.push(tx);
        Ok(())
    }
}

#[track_caller]
fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&settled(text));
}

#[tokio::test]
async fn a_finding_in_full_and_in_a_line() {
    let pool = common::pool().await;
    let pool = SqlitePool::clone(&pool).named("numbers");
    let mut numbering = Numbering {
        pool,
        open: Vec::new(),
    };
    let (reserved, found) = findings(numbering.reserve()).await;
    reserved.unwrap();
    check(
        &found[0].render(),
        &expect![[r#"
            error[outlived_scope]: behaviour::reports::Numbering::reserve returned while a transaction that behaviour::reports::Numbering::begin took and returned is still alive
              --> tests/tests/behaviour/reports.rs:19:19
               |
            19 |         self.pool.begin().await
               |                   ^^^^^ taken here, in behaviour::reports::Numbering::begin
               |
              ::: tests/tests/behaviour/reports.rs:22:14
               |
            22 |     async fn reserve(&mut self) -> sqlx::Result<()> {
               |              ------- this function returned, and its value cannot contain a transaction
               |
              ::: tests/tests/behaviour/reports.rs:18:14
               |
            18 |     async fn begin(&self) -> sqlx::Result<Tx> {
               |              ----- returned through here
               |
               = note: held for …, idle for …, has had SQLite's lock for writing for …, after 1 statement, last INSERT exam at tests/tests/behaviour/reports.rs:25:14, holds 1 of 5 permits of pool numbers
               = cause (certain): the transaction was not dropped, and the type of the returned value cannot contain it
               = help: if it is meant to live on in `self`, write `#[track(returns_handle)]` on behaviour::reports::Numbering::reserve: it then belongs to the caller, and `held_idle` watches whoever keeps it
               = help: end it where it began, before returning: `tx.commit().await?`, or `tx.rollback().await?`
               = help: or return it, so that the caller owns it
               = help: or, if it is meant to live long, declare why: `.long_lived("…")`, with `use sqlx::leash::HandleExt`
               = note: it is not known where it is now: in a field, a static, a collection, a channel or another task, or leaked by `mem::forget`
               = note: if the value that behaviour::reports::Numbering::reserve returns does contain it, declare that with `#[track(returns_handle)]`; to allow this, `#[track(allow(outlived_scope, reason = "…"))]`
               = note: read more: `leash::explain(Lint::OutlivedScope)`"#]],
    );
    check(
        &found[0].to_string(),
        &expect![
            "outlived_scope: behaviour::reports::Numbering::reserve returned while a transaction that behaviour::reports::Numbering::begin took and returned is still alive at tests/tests/behaviour/reports.rs:19:19, held for …, idle for …, has had SQLite's lock for writing for …, after 1 statement, last INSERT exam at tests/tests/behaviour/reports.rs:25:14, holds 1 of 5 permits of pool numbers (certain)"
        ],
    );
}

#[test]
fn a_table_of_nothing() {
    check(
        &Snapshot::default().to_string(),
        &expect![
            " calls  errors  cancelled  rows  p50  p95  p99  total  statement  function  call site"
        ],
    );
}
