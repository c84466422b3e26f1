//! The text of each finding, reviewed like code. The times vary from run to run, so each is replaced by `…`.

use expect_test::{Expect, expect};
use futures::TryStreamExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{Lint, PoolExt};
use sqlx::{Executor, PgPool, SqlitePool, track};

use crate::common::{Gate, HUNDRED, TestPool, only, pool_named, reported, settled};

struct Shop {
    pool: TestPool,
}

#[track(held_idle = "100ms")]
impl Shop {
    async fn ship(&self) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?;
        tx.execute("UPDATE exam SET name = 'shipped'").await?;
        reported(self.pool.name(), Lint::HeldIdle, 1).await;
        tx.commit().await
    }

    async fn export(&self) -> sqlx::Result<()> {
        let mut rows = sqlx::query(HUNDRED).fetch(&*self.pool);
        rows.try_next().await?;
        reported(self.pool.name(), Lint::HeldIdle, 1).await;
        Ok(())
    }

    #[track(held_too_long = "100ms", held_idle = "1h")]
    async fn import(&self) -> sqlx::Result<()> {
        let mut conn = self.pool.acquire().await?;
        conn.execute("SELECT name FROM exam").await?;
        reported(self.pool.name(), Lint::HeldTooLong, 1).await;
        Ok(())
    }

    async fn order(&self, item: &str) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("INSERT INTO exam (name) VALUES (?)")
            .bind(item)
            .execute(&mut *tx)
            .await?;
        Ok(())
    }

    #[track(max_queries = 2, warn(query_budget))]
    async fn list(&self) -> sqlx::Result<()> {
        for id in 0..3 {
            sqlx::query("SELECT name FROM exam WHERE id = ?")
                .bind(id)
                .fetch_optional(&*self.pool)
                .await?;
        }
        Ok(())
    }

    #[track(held_idle = "1h", allow(nested_acquire, reason = "the test wants it"))]
    async fn fill(&self) -> sqlx::Result<()> {
        let _first = self.pool.acquire().await?;
        let _second = self.pool.acquire().await?;
        reported(self.pool.name(), Lint::PoolPressure, 1).await;
        Ok(())
    }

    #[track(close_blocked = "100ms")]
    async fn close(&self) -> sqlx::Result<()> {
        self.pool.close().await;
        Ok(())
    }

    #[track(held_idle = "1h")]
    async fn keep(&self) -> sqlx::Result<()> {
        let _conn = self.pool.acquire().await?;
        reported(self.pool.name(), Lint::CloseBlocked, 1).await;
        Ok(())
    }
}

#[track(slow_query = "100ms")]
async fn report(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO exam (name) SELECT name FROM exam")
        .execute(pool)
        .await?;
    Ok(())
}

async fn shop(name: &str) -> Shop {
    let pool = pool_named(2, name).await;
    Shop { pool }
}

/// Compares the only finding of `future`, in full.
async fn check(future: impl Future<Output = sqlx::Result<()>>, expected: Expect) {
    let (result, found) = findings(Box::pin(future)).await;
    result.unwrap();
    expected.assert_eq(&settled(&only(found).render()));
}

#[tokio::test]
async fn held_idle() {
    let shop = shop("idle shop").await;
    check(shop.ship(), expect![[r#"
        warning[held_idle]: findings::words::lints::Shop::ship holds a transaction of pool idle shop and has not used it for …; the limit is …
          --> tests/tests/findings/words/lints.rs:18:32
           |
        18 |         let mut tx = self.pool.begin().await?;
           |                                ^^^^^ taken here, in findings::words::lints::Shop::ship
           |
          ::: tests/tests/findings/words/lints.rs:19:12
           |
        19 |         tx.execute("UPDATE exam SET name = 'shipped'").await?;
           |            ------- last used here, … ago
           |
           = note: held for …, idle for …, last UPDATE exam at tests/tests/findings/words/lints.rs:19:12, has had SQLite's lock for writing for …, spent … with the database, … without, holds 1 of 2 permits of pool idle shop, waiting for this pool: 0
           = cause (certain): nothing was sent on it since `UPDATE exam` ended: the code that holds it waits for something else
           = help: do the slow work (a request, a file, a sleep) before `begin` or after `commit`, not in between
           = help: or, if it is meant to be held, declare why: `.long_lived("…")`, with `use sqlx::leash::HandleExt`
           = help: or raise the limit of this function: `#[track(held_idle = "60s")]`
           = note: to allow this, `#[track(allow(held_idle, reason = "…"))]`; read more: `leash::explain(Lint::HeldIdle)`"#]]).await;
}

#[tokio::test]
async fn held_idle_of_a_row_stream() {
    let shop = shop("streaming shop").await;
    check(shop.export(), expect![[r#"
        warning[held_idle]: findings::words::lints::Shop::export holds a row stream of pool streaming shop and has not used it for …; the limit is …
          --> tests/tests/findings/words/lints.rs:25:45
           |
        25 |         let mut rows = sqlx::query(HUNDRED).fetch(&*self.pool);
           |                                             ^^^^^ taken here, in findings::words::lints::Shop::export
           |
           = note: held for …, read 1 row, the last one … ago, spent … with the database, … without, holds 1 of 2 permits of pool streaming shop, waiting for this pool: 0
           = cause (certain): the consumer has a row and does not ask for the next one
           = help: read all rows first, then work on them: `let rows: Vec<_> = stream.try_collect().await?`, with `use futures::TryStreamExt`
           = help: or raise the limit of this function: `#[track(held_idle = "60s")]`
           = note: to allow this, `#[track(allow(held_idle, reason = "…"))]`; read more: `leash::explain(Lint::HeldIdle)`"#]]).await;
}

#[tokio::test]
async fn held_too_long() {
    let shop = shop("long shop").await;
    check(shop.import(), expect![[r#"
        warning[held_too_long]: findings::words::lints::Shop::import has held a connection of pool long shop for …; the limit is …
          --> tests/tests/findings/words/lints.rs:33:34
           |
        33 |         let mut conn = self.pool.acquire().await?;
           |                                  ^^^^^^^ taken here, in findings::words::lints::Shop::import
           |
          ::: tests/tests/findings/words/lints.rs:34:14
           |
        34 |         conn.execute("SELECT name FROM exam").await?;
           |              ------- last used here, … ago
           |
           = note: held for …, idle for …, after 1 statement, last SELECT exam at tests/tests/findings/words/lints.rs:34:14, spent … with the database, … without, holds 1 of 2 permits of pool long shop, waiting for this pool: 0
           = cause (certain): the connection has not been released since
           = help: hold it for less time: it was idle in hand for …, 100 % of the time held; acquire it after the slow work, or release it before: `drop(conn)`; a query sent to `&pool` holds a connection only while it runs
           = help: or raise the limit of this function: `#[track(held_too_long = "60s")]`
           = note: to allow this, `#[track(allow(held_too_long, reason = "…"))]`; read more: `leash::explain(Lint::HeldTooLong)`"#]]).await;
}

#[tokio::test]
async fn implicit_rollback() {
    let shop = shop("forgetful shop").await;
    check(shop.order("a book"), expect![[r#"
        warning[implicit_rollback]: findings::words::lints::Shop::order returned without an error, and a transaction that had written was dropped without commit
          --> tests/tests/findings/words/lints.rs:40:32
           |
        40 |         let mut tx = self.pool.begin().await?;
           |                                ^^^^^ begun here
           |
          ::: tests/tests/findings/words/lints.rs:43:14
           |
        43 |             .execute(&mut *tx)
           |              ------- the changes of this statement are lost
           |
          ::: tests/tests/findings/words/lints.rs:39:14
           |
        39 |     async fn order(&self, item: &str) -> sqlx::Result<()> {
           |              ----- the transaction is dropped in here, and no error is returned
           |
           = note: last write INSERT exam
           = cause (certain): a transaction that is dropped while open is rolled back
           = help: commit it before returning: `tx.commit().await?`
           = help: or, if its changes are to be discarded, roll back explicitly: `tx.rollback().await?`
           = note: to allow this, `#[track(allow(implicit_rollback, reason = "…"))]`; read more: `leash::explain(Lint::ImplicitRollback)`"#]]).await;
}

#[tokio::test]
async fn query_budget() {
    let shop = shop("chatty shop").await;
    check(shop.list(), expect![[r#"
        warning[query_budget]: findings::words::lints::Shop::list sends its 3rd statement; its budget is 2
          --> tests/tests/findings/words/lints.rs:53:18
           |
        53 |                 .fetch_optional(&*self.pool)
           |                  ^^^^^^^^^^^^^^ the statement over the budget
           |
          ::: tests/tests/findings/words/lints.rs:49:14
           |
        49 |     async fn list(&self) -> sqlx::Result<()> {
           |              ---- the budget is set here
           |
           = note: budget 2, this statement SELECT exam
           = cause (certain): `max_queries = 2`; the statements of functions that findings::words::lints::Shop::list calls count too
           = help: `SELECT exam` at tests/tests/findings/words/lints.rs:53 was sent 3 times: read all rows in one statement, `WHERE id IN (…)` or a join, instead of one by one
           = help: if findings::words::lints::Shop::list needs more, raise its budget: `#[track(max_queries = 3)]`
           = note: to allow this, `#[track(allow(query_budget, reason = "…"))]`; read more: `leash::explain(Lint::QueryBudget)`"#]]).await;
}

#[tokio::test]
async fn slow_query() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    let report = async {
        let opens = async {
            reported(gate.pool.name(), Lint::SlowQuery, 1).await;
            gate.open().await;
        };
        futures::join!(report(&pool), opens).0
    };
    check(report, expect![[r#"
        warning[slow_query]: `INSERT exam SELECT exam` in findings::words::lints::report has run for …; the limit is …
          --> tests/tests/findings/words/lints.rs:84:10
           |
        84 |         .execute(pool)
           |          ^^^^^^^ sent here
           |
           = note: running for …, limit …, text INSERT INTO exam (name) SELECT name FROM exam
           = cause (certain): the statement was sent and its answer has not been read yet
           = help: ask the database why: `EXPLAIN QUERY PLAN INSERT INTO exam (name) SELECT name FROM exam`
           = help: or, if it may take that long, raise its limit: `#[track(slow_query = "30s")]`
           = note: the time is the statement's: without the wait for a permit, and without the consumer's time between rows
           = note: to allow this, `#[track(allow(slow_query, reason = "…"))]`; read more: `leash::explain(Lint::SlowQuery)`"#]]).await;
}

#[tokio::test]
async fn pool_pressure() {
    let shop = shop("crowded shop").await;
    check(shop.fill(), expect![[r#"
        warning[pool_pressure]: at least 90 % of the permits of pool crowded shop were in use in 3 samples in a row, a second apart: now 2 of 2, 0 waiting
          --> tests/src/pool.rs:28:24
           |
        28 |     let pool = options.connect_with(database).await.unwrap();
           |                        ^^^^^^^^^^^^ connected here
           |
          ::: tests/tests/findings/words/lints.rs:61:32
           |
        61 |         let _first = self.pool.acquire().await?;
           |                                ------- findings::words::lints::Shop::fill holds 1 permit for …, idle for …
           |
          ::: tests/tests/findings/words/lints.rs:62:33
           |
        62 |         let _second = self.pool.acquire().await?;
           |                                 ------- findings::words::lints::Shop::fill holds 1 permit for …, idle for …
           |
           = note: permits held 2 of 2, 0 waiting, mean hold …, of that with the database 0 %, idle in hand 100 %
           = cause (certain): the handles listed here hold the permits
           = help: hold connections for less time: of the time held in the last …, 100 % was idle in hand (0 with the database, … without): release them before slow work that does not need the database
           = help: see what holds the permits at any time: `println!("{}", leash::snapshot())`
           = note: to set the limit or allow this: `SQLX_LEASH="pool_pressure[crowded shop]=95%"`; read more: `leash::explain(Lint::PoolPressure)`"#]]).await;
}

#[tokio::test]
async fn close_blocked() {
    let shop = shop("closing shop").await;
    check(
        async { futures::try_join!(shop.keep(), shop.close()).map(drop) },
        expect![[r#"
            warning[close_blocked]: pool closing shop has been closing for … and waits for 1 handle
              --> tests/tests/findings/words/lints.rs:69:19
               |
            69 |         self.pool.close().await;
               |                   ^^^^^ waits here
               |
              ::: tests/tests/findings/words/lints.rs:75:31
               |
            75 |         let _conn = self.pool.acquire().await?;
               |                               ------- findings::words::lints::Shop::keep holds 1 permit for …, idle for …
               |
               = note: waited …, permits held 1 of 2, 0 waiting
               = cause (certain): `close` waits until every permit is returned, and 1 is still held
               = help: end the tasks that hold the handles, and await them, before `pool.close().await`
               = help: in a long-lived task, stop when the pool closes: `pool.close_event().do_until(work).await`
               = note: to allow this, `#[track(allow(close_blocked, reason = "…"))]`; read more: `leash::explain(Lint::CloseBlocked)`"#]],
    )
    .await;
}

#[track]
async fn log_in() -> PgPool {
    let pool = PgPool::connect_lazy("postgres://eye@127.0.0.1:1/portal");
    pool.unwrap().named("portal")
}

#[tokio::test]
async fn duplicate_pool() {
    leash_tests::listen();
    let logged_in = async {
        let mut pools = Vec::new();
        for _ in 0..4 {
            pools.push(log_in().await);
        }
        reported("portal", Lint::DuplicatePool, 1).await;
        Ok(())
    };
    check(logged_in, expect![[r#"
        warning[duplicate_pool]: findings::words::lints::log_in has made 4 pools portal that are all alive; the limit is 3
           --> tests/tests/findings/words/lints.rs:293:16
            |
        293 |     let pool = PgPool::connect_lazy("postgres://eye@127.0.0.1:1/portal");
            |                ^^^^^^ connected here
            |
            = note: the first was made … ago, the last … ago, connections open 0
            = cause (certain): each pool opens connections of its own: together these may open 40 to 127.0.0.1:1/portal, 10 each
            = help: make the pool once, where the program starts, and pass on clones: `pool.clone()` is the same pool
            = help: or keep it in a static: `static POOL: OnceCell<PgPool> = OnceCell::const_new();` of tokio, and `POOL.get_or_try_init(connect).await?`
            = help: where one connection is enough, connect without a pool: `PgConnection::connect(url).await?`
            = note: pools that must be apart, such as one for each runtime, are told apart by their names: `pool.named("…")`
            = note: to allow this, `#[track(allow(duplicate_pool, reason = "…"))]`; read more: `leash::explain(Lint::DuplicatePool)`"#]]).await;
}
