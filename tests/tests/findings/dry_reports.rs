//! How the findings read that tell why a pool runs dry. Times are theirs, not the text's: each stands as `…`.

use std::future::Future;
use std::time::Duration;

use expect_test::{Expect, expect};
use futures::TryStreamExt;
use futures::future::join_all;
use sqlx::leash::testing::findings;
use sqlx::leash::{Backend, Finding, Lint, PoolExt};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Pool, SqlitePool, track};
use tokio::sync::{Barrier, Notify};

use crate::common::{TestPool, connect, only, options, pool_of, settled};

type Result = sqlx::Result<()>;

#[track_caller]
fn check(finding: &Finding, expected: &Expect) {
    expected.assert_eq(&settled(&finding.render()));
}

/// What the lint finds in this, which is given up when it has found something.
async fn found<DB: Backend>(
    lint: Lint,
    pool: &TestPool<DB>,
    future: impl Future<Output = ()>,
) -> Finding {
    let run = async {
        tokio::select! {
            biased;
            (_, finding) = pool.hears(lint) => finding,
            () = async { future.await; std::future::pending().await } => unreachable!(),
        }
    };
    findings(Box::pin(run)).await.0
}

struct Shop {
    pool: SqlitePool,
    both_here: Barrier,
    taken: Notify,
}

impl Shop {
    fn of(pool: &SqlitePool) -> Self {
        Self {
            pool: pool.clone(),
            both_here: Barrier::new(2),
            taken: Notify::new(),
        }
    }
}

#[track]
impl Shop {
    async fn place_order(&self) -> Result {
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT 'an order'").execute(&mut *tx).await?;
        self.both_here.wait().await;
        self.reserve_stock().await?;
        tx.commit().await
    }

    async fn reserve_stock(&self) -> Result {
        self.next_number().await
    }

    async fn next_number(&self) -> Result {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    async fn export(&self) -> Result {
        let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(&self.pool);
        while let Some(_row) = rows.try_next().await? {
            self.next_number().await?;
        }
        Ok(())
    }

    async fn print(&self) -> Result {
        let conn = self.pool.acquire().await?;
        let printer = self.pool.acquire().await?;
        drop(printer);
        drop(conn);
        Ok(())
    }

    async fn pay(&self) -> Result {
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT 'a payment'").execute(&mut *tx).await?;
        self.taken.notify_one();
        call_the_bank().await;
        tx.commit().await
    }

    async fn list(&self) -> Result {
        sqlx::query("SELECT 'a list'").fetch_all(&self.pool).await?;
        Ok(())
    }
}

async fn call_the_bank() {
    std::future::pending::<()>().await;
}

#[track]
async fn orders_then_stock(orders: &SqlitePool, stock: &SqlitePool, both: &Barrier) -> Result {
    let order = orders.begin().await?;
    both.wait().await;
    let item = stock.acquire().await?;
    drop(item);
    order.commit().await
}

#[track]
async fn stock_then_orders(
    orders: &SqlitePool,
    stock: &SqlitePool,
    both: &Barrier,
    turn: &Notify,
) -> Result {
    let item = stock.acquire().await?;
    both.wait().await;
    turn.notified().await;
    let order = orders.begin().await?;
    order.commit().await?;
    drop(item);
    Ok(())
}

#[track]
async fn reports(pool: &PgPool) -> Result {
    sqlx::query("SELECT pg_sleep(0.3)").execute(pool).await?;
    Ok(())
}

#[track]
async fn asks<DB: Backend>(pool: &Pool<DB>) -> Result {
    let conn = pool.acquire().await?;
    drop(conn);
    Ok(())
}

#[track]
async fn keeps(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    std::future::pending::<()>().await;
    drop(conn);
    Ok(())
}

fn given_away(pool: &SqlitePool) -> &plain_sqlx::SqlitePool {
    pool.as_sqlx()
}

#[tokio::test]
async fn a_deadlock() {
    let pool = pool_of(2).await.called("shop");
    let shop = Shop::of(&pool);
    let run = async {
        let _ended = tokio::join!(shop.place_order(), shop.place_order());
    };
    let finding = found(Lint::PoolDeadlock, &pool, run).await;
    check(
        &finding,
        &expect![[r#"
        error[pool_deadlock]: findings::dry_reports::Shop::next_number waits for a permit of pool shop, and all 2 are held by scopes that wait for one
          --> tests/tests/findings/dry_reports.rs:71:33
           |
        71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
           |                                 ^^^^^^^ waits here, in findings::dry_reports::Shop::next_number
           |
          ::: tests/tests/findings/dry_reports.rs:59:32
           |
        59 |         let mut tx = self.pool.begin().await?;
           |                                ----- findings::dry_reports::Shop::place_order holds 2 permits, the oldest since … ago
           |
          ::: tests/tests/findings/dry_reports.rs:66:14
           |
        66 |     async fn reserve_stock(&self) -> Result {
           |              ------------- called through here
           |
           = note: permits 2, waiters 2, longest wait …, acquire_timeout …
           = cause (certain): each holder awaits an acquire itself, and keeps its handle meanwhile: none can go on before another does
           = help: let findings::dry_reports::Shop::next_number take the connection to use, `conn: &mut SqliteConnection`, and call it with `&mut *tx`
           = help: or give the first one back before: `tx.commit().await?`
           = note: to allow this, `#[track(allow(pool_deadlock, reason = "…"))]`; read more: `leash::explain(Lint::PoolDeadlock)`"#]],
    );
}

#[tokio::test]
async fn a_deadlock_of_two_pools() {
    let (orders, stock) = (
        pool_of(1).await.called("orders"),
        pool_of(1).await.called("stock"),
    );
    let (both, turn) = (Barrier::new(2), Notify::new());
    let run = async {
        let _ended = tokio::join!(
            orders_then_stock(&orders, &stock, &both),
            stock_then_orders(&orders, &stock, &both, &turn),
            async {
                // Who waits last is told: always the same.
                stock.has_handles(1).await;
                stock.has_waiting(1).await;
                turn.notify_one();
            }
        );
    };
    let finding = found(Lint::PoolDeadlock, &orders, run).await;
    check(
        &finding,
        &expect![[r#"
            error[pool_deadlock]: findings::dry_reports::stock_then_orders waits for a permit of pool orders, and all 2 permits of pools orders and stock are held by scopes that wait for one of them
               --> tests/tests/findings/dry_reports.rs:128:24
                |
            128 |     let order = orders.begin().await?;
                |                        ^^^^^ waits here, in findings::dry_reports::stock_then_orders
                |
               ::: tests/tests/findings/dry_reports.rs:111:24
                |
            111 |     let order = orders.begin().await?;
                |                        ----- findings::dry_reports::orders_then_stock holds 1 permit of pool orders since … ago
                |
               ::: tests/tests/findings/dry_reports.rs:125:22
                |
            125 |     let item = stock.acquire().await?;
                |                      ------- findings::dry_reports::stock_then_orders holds 1 permit of pool stock since … ago
                |
               ::: tests/tests/findings/dry_reports.rs:113:22
                |
            113 |     let item = stock.acquire().await?;
                |                      ------- one of pool stock is waited for here, too
                |
                = note: permits 2, waiters 2, longest wait …, acquire_timeout …
                = cause (certain): each holder awaits an acquire itself, and keeps its handle meanwhile: none can go on before another does
                = help: where orders and stock are needed at once, take them in the same order everywhere
                = help: or give the first one back before: `drop(conn)`
                = note: to allow this, `#[track(allow(pool_deadlock, reason = "…"))]`; read more: `leash::explain(Lint::PoolDeadlock)`"#]],
    );
}

#[tokio::test]
async fn a_likely_deadlock() {
    let pool = pool_of(1).await.called("exports");
    let shop = Shop::of(&pool);
    let run = async {
        let _ended = shop.export().await;
    };
    let finding = found(Lint::PoolDeadlock, &pool, run).await;
    check(
        &finding,
        &expect![[r#"
        error[pool_deadlock]: findings::dry_reports::Shop::next_number waits for a permit of pool exports, and the only one is held by a scope that waits for one
          --> tests/tests/findings/dry_reports.rs:71:33
           |
        71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
           |                                 ^^^^^^^ waits here, in findings::dry_reports::Shop::next_number
           |
          ::: tests/tests/findings/dry_reports.rs:76:63
           |
        76 |         let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(&self.pool);
           |                                                               ----- findings::dry_reports::Shop::export holds 1 permit since … ago
           |
           = note: permits 1, waiters 1, longest wait …, acquire_timeout …
           = cause (likely): each holder has an acquire that waits; that none can go on is not certain, because a row stream among them may be read by other code
           = help: read the rows first, and ask for the connection then: `let rows: Vec<_> = stream.try_collect().await?`
           = help: or give the first one back before: `drop(stream)`
           = note: to allow this, `#[track(allow(pool_deadlock, reason = "…"))]`; read more: `leash::explain(Lint::PoolDeadlock)`"#]],
    );
}

#[tokio::test]
async fn nested_acquires() {
    let pool = pool_of(5).await.called("printing");
    let shop = Shop::of(&pool);
    let (ended, found) = findings(shop.print()).await;
    ended.unwrap();
    check(
        only(Lint::NestedAcquire, &found),
        &expect![[r#"
        warning[nested_acquire]: findings::dry_reports::Shop::print takes a connection of pool printing while it holds a connection of it
          --> tests/tests/findings/dry_reports.rs:85:33
           |
        85 |         let printer = self.pool.acquire().await?;
           |                                 ^^^^^^^ the second one is taken here, in findings::dry_reports::Shop::print
           |
          ::: tests/tests/findings/dry_reports.rs:84:30
           |
        84 |         let conn = self.pool.acquire().await?;
           |                              ------- a connection is held from here on
           |
           = note: first held for …, tasks at once (Tn) 1, connections per task (Cm) 2, minimum safe size Tn × (Cm − 1) + 1 = 2, pool size 5
           = cause (certain): one task takes a second permit and keeps the first: when as many tasks as there are permits do so at once, each waits for the others
           = help: use the one that is held: `&mut *conn`
           = help: or give the first one back before: `drop(conn)`
           = note: so far 1 task at once, each holding up to 2 connections: 2 are enough, and this pool has 5
           = note: to allow this, `#[track(allow(nested_acquire, reason = "…"))]`; read more: `leash::explain(Lint::NestedAcquire)`"#]],
    );
    let (ended, found) = findings(shop.export()).await;
    ended.unwrap();
    check(
        &found[0],
        &expect![[r#"
            warning[nested_acquire]: findings::dry_reports::Shop::next_number sends a query to pool printing while findings::dry_reports::Shop::export holds a row stream of it
              --> tests/tests/findings/dry_reports.rs:71:33
               |
            71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
               |                                 ^^^^^^^ the second one is taken here, in findings::dry_reports::Shop::next_number
               |
              ::: tests/tests/findings/dry_reports.rs:76:63
               |
            76 |         let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(&self.pool);
               |                                                               ----- a row stream is held from here on
               |
               = note: first held for …, tasks at once (Tn) 1, connections per task (Cm) 2, minimum safe size Tn × (Cm − 1) + 1 = 2, pool size 5
               = cause (certain): one task takes a second permit and keeps the first: when as many tasks as there are permits do so at once, each waits for the others
               = help: read the rows first, and ask for the connection then: `let rows: Vec<_> = stream.try_collect().await?`
               = help: or give the first one back before: `drop(stream)`
               = note: so far 1 task at once, each holding up to 2 connections: 2 are enough, and this pool has 5
               = note: to allow this, `#[track(allow(nested_acquire, reason = "…"))]`; read more: `leash::explain(Lint::NestedAcquire)`"#]],
    );
}

#[tokio::test]
async fn a_query_outside_its_transaction() {
    let pool = pool_of(5).await.called("ordering");
    let mut shop = Shop::of(&pool);
    shop.both_here = Barrier::new(1);
    let (ended, found) = findings(shop.place_order()).await;
    ended.unwrap();
    check(
        only(Lint::OutsideTransaction, &found),
        &expect![[r#"
        warning[outside_transaction]: findings::dry_reports::Shop::next_number sends a query to pool ordering while findings::dry_reports::Shop::place_order has a transaction of that pool open
          --> tests/tests/findings/dry_reports.rs:71:33
           |
        71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
           |                                 ^^^^^^^ runs outside the transaction, in findings::dry_reports::Shop::next_number
           |
          ::: tests/tests/findings/dry_reports.rs:59:32
           |
        59 |         let mut tx = self.pool.begin().await?;
           |                                ----- the transaction begins here
           |
          ::: tests/tests/findings/dry_reports.rs:66:14
           |
        66 |     async fn reserve_stock(&self) -> Result {
           |              ------------- called through here
           |
           = note: transaction open for …, after 1 statement
           = cause (certain): the query took a connection of its own: it does not see what the transaction wrote, and is not rolled back with it
           = help: let findings::dry_reports::Shop::next_number take the connection to use, `conn: &mut SqliteConnection`, and call it with `&mut *tx`
           = help: or, if it must not be part of the transaction, run it before `begin` or after `commit`
           = note: to allow this, `#[track(allow(outside_transaction, reason = "…"))]`; read more: `leash::explain(Lint::OutsideTransaction)`"#]],
    );
    check(
        only(Lint::NestedAcquire, &found),
        &expect![[r#"
        warning[nested_acquire]: findings::dry_reports::Shop::next_number sends a query to pool ordering while findings::dry_reports::Shop::place_order holds a transaction of it
          --> tests/tests/findings/dry_reports.rs:71:33
           |
        71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
           |                                 ^^^^^^^ the second one is taken here, in findings::dry_reports::Shop::next_number
           |
          ::: tests/tests/findings/dry_reports.rs:59:32
           |
        59 |         let mut tx = self.pool.begin().await?;
           |                                ----- a transaction is held from here on
           |
          ::: tests/tests/findings/dry_reports.rs:66:14
           |
        66 |     async fn reserve_stock(&self) -> Result {
           |              ------------- called through here
           |
           = note: first held for …, tasks at once (Tn) 1, connections per task (Cm) 2, minimum safe size Tn × (Cm − 1) + 1 = 2, pool size 5
           = cause (certain): one task takes a second permit and keeps the first: when as many tasks as there are permits do so at once, each waits for the others
           = help: let findings::dry_reports::Shop::next_number take the connection to use, `conn: &mut SqliteConnection`, and call it with `&mut *tx`
           = help: or give the first one back before: `tx.commit().await?`
           = note: so far 1 task at once, each holding up to 2 connections: 2 are enough, and this pool has 5
           = note: to allow this, `#[track(allow(nested_acquire, reason = "…"))]`; read more: `leash::explain(Lint::NestedAcquire)`"#]],
    );
}

// Timeouts.

const SOON: Duration = Duration::from_millis(400);

async fn impatient(max_connections: u32, name: &str) -> TestPool {
    connect(options(max_connections).acquire_timeout(SOON))
        .await
        .called(name)
}

#[tokio::test]
async fn a_timeout_by_a_deadlock() {
    let pool = impatient(2, "shop that gives up").await;
    let shop = Shop::of(&pool);
    let run = async {
        let _ended = tokio::join!(shop.place_order(), shop.place_order());
    };
    let finding = found(Lint::PoolTimeout, &pool, run).await;
    check(
        &finding,
        &expect![[r#"
        warning[pool_timeout]: findings::dry_reports::Shop::next_number waited … for a connection of pool shop that gives up and got none
          --> tests/tests/findings/dry_reports.rs:71:33
           |
        71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
           |                                 ^^^^^^^ waited here
           |
          ::: tests/tests/findings/dry_reports.rs:59:32
           |
        59 |         let mut tx = self.pool.begin().await?;
           |                                ----- findings::dry_reports::Shop::place_order holds 2 permits, the oldest since … ago
           |
          ::: tests/tests/findings/dry_reports.rs:66:14
           |
        66 |     async fn reserve_stock(&self) -> Result {
           |              ------------- called through here
           |
           = note: waited …, permits held 2 of 2, 2 waiting, open 2, idle 0, longest wait …
           = cause (deadlock, certain): each holder awaits an acquire itself, and keeps its handle meanwhile: none can go on before another does
           = help: let findings::dry_reports::Shop::next_number take the connection to use, `conn: &mut SqliteConnection`, and call it with `&mut *tx`
           = help: or give the first one back before: `tx.commit().await?`
           = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
}

#[tokio::test]
async fn a_timeout_by_a_hoarder() {
    let pool = impatient(1, "payments").await;
    let shop = Shop::of(&pool);
    let run = async {
        let pays = shop.pay();
        let lists = async {
            shop.taken.notified().await;
            let _ended = shop.list().await;
        };
        let _ended = tokio::join!(pays, lists);
    };
    let finding = found(Lint::PoolTimeout, &pool, run).await;
    check(
        &finding,
        &expect![[r#"
        warning[pool_timeout]: findings::dry_reports::Shop::list waited … for a connection of pool payments and got none
           --> tests/tests/findings/dry_reports.rs:100:40
            |
        100 |         sqlx::query("SELECT 'a list'").fetch_all(&self.pool).await?;
            |                                        ^^^^^^^^^ waited here
            |
           ::: tests/tests/findings/dry_reports.rs:92:32
            |
         92 |         let mut tx = self.pool.begin().await?;
            |                                ----- findings::dry_reports::Shop::pay holds 1 permit for …, idle for …, last SELECT at tests/tests/findings/dry_reports.rs:93:43
            |
            = note: waited …, permits held 1 of 1, 1 waiting, open 1, idle 0, longest wait …, idle holders 1
            = cause (hoarder, certain): 1 of 1 permits lies idle in its holder's hands for … or longer, 1 of them in findings::dry_reports::Shop::pay
            = help: end the transaction in findings::dry_reports::Shop::pay before its slow work: `tx.commit().await?`
            = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
}

/// The text without numbers that depend on the machine.
fn without_numbers(text: &str) -> String {
    let digits = settled(text).replace(|c: char| c.is_ascii_digit(), "#");
    let mut text = String::new();
    for c in digits.chars() {
        if !(c == '#' && text.ends_with('#')) {
            text.push(c);
        }
    }
    text
}

#[tokio::test]
async fn a_timeout_for_want_of_capacity() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let options = PgPoolOptions::new()
        .max_connections(2)
        .min_connections(2)
        .acquire_timeout(Duration::from_secs(1));
    let pool = TestPool::of(options.connect(db.url()).await.unwrap()).called("reports");
    let run = async {
        join_all((0..10).map(|_| reports(&pool))).await;
    };
    let finding = found(Lint::PoolTimeout, &pool, run).await;
    let expected = expect![[r#"
        warning[pool_timeout]: findings::dry_reports::reports waited … for a connection of pool reports and got none
           --> tests/tests/findings/dry_reports.rs:#:#
            |
        # |     sqlx::query("SELECT pg_sleep(#.#)").execute(pool).await?;
            |                                         ^^^^^^^ waited here
            |
           ::: tests/tests/findings/dry_reports.rs:#:#
            |
        # |     sqlx::query("SELECT pg_sleep(#.#)").execute(pool).await?;
            |                                         ------- findings::dry_reports::reports holds # permits, the oldest for …, now running a statement, last SELECT at tests/tests/findings/dry_reports.rs:#:#
            |
            = note: waited …, permits held # of #, # waiting, open #, idle #, longest wait …, acquires per second #.#, mean hold …, connections needed #
            = cause (capacity, likely): every permit is in use: #.# acquires per second × … held on average = # connections needed, and there are #
            = help: make the holds shorter: of the time held so far, … with the database, # without
            = help: look for the slowest statements of the holders: `leash::snapshot().sites`
            = help: or ask for fewer at once: a queue or `tokio::sync::Semaphore` before the work
            = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]];
    expected.assert_eq(&without_numbers(&finding.render()));
}

async fn asked<DB: Backend>(pool: &TestPool<DB>) -> Finding {
    let run = async {
        let _ended = asks(pool).await;
    };
    found(Lint::PoolTimeout, pool, run).await
}

#[tokio::test]
async fn a_timeout_at_a_wrong_port() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let options = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1));
    let url = format!("postgres://someone@127.0.0.1:{port}/shop");
    let pool = TestPool::of(options.connect_lazy(&url).unwrap()).called("far away");
    let text = settled(&asked(&pool).await.render()).replace(&port.to_string(), "#");
    expect![[r#"
        warning[pool_timeout]: findings::dry_reports::asks waited … for a connection of pool far away and got none
           --> tests/tests/findings/dry_reports.rs:142:21
            |
        142 |     let conn = pool.acquire().await?;
            |                     ^^^^^^^ waited here
            |
            = note: waited …, permits held 0 of 10, 1 waiting, open 0, idle 0, longest wait …, tried … ago
            = cause (unreachable, certain): connecting to 127.0.0.1:#/shop fails: error communicating with database: Connection refused (os error 111)
            = help: see whether a server listens at 127.0.0.1:#/shop, and whether this machine may reach it
            = help: a pool tries until its time is up; to have the error itself, and at once, connect once without one when the program starts: `PgConnection::connect(url).await?`
            = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]].assert_eq(&text);
}

#[tokio::test]
async fn a_timeout_by_untracked_use() {
    let plain = plain_sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(SOON)
        .connect("sqlite::memory:")
        .await
        .unwrap();
    let pool = TestPool::of(SqlitePool::from(plain.clone())).called("shared");
    let taken = plain.acquire().await.unwrap();
    check(
        &asked(&pool).await,
        &expect![[r#"
        warning[pool_timeout]: findings::dry_reports::asks waited … for a connection of pool shared and got none
           --> tests/tests/findings/dry_reports.rs:142:21
            |
        142 |     let conn = pool.acquire().await?;
            |                     ^^^^^^^ waited here
            |
            = note: waited …, permits held 0 of 1, 1 waiting, open 1, idle 0, longest wait …
            = cause (unaccounted, likely): 1 permit is in use by nobody that is known: something takes connections from the plain sqlx pool that this one was made from
            = help: where other code needs plain sqlx's pool, give it `pool.as_sqlx()`: its permits are then known as lent
            = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
    drop(taken);
}

#[tokio::test]
async fn a_timeout_of_what_is_lent() {
    let pool = impatient(1, "lent").await;
    let taken = given_away(&pool).acquire().await.unwrap();
    check(
        &asked(&pool).await,
        &expect![[r#"
        warning[pool_timeout]: findings::dry_reports::asks waited … for a connection of pool lent and got none
           --> tests/tests/findings/dry_reports.rs:142:21
            |
        142 |     let conn = pool.acquire().await?;
            |                     ^^^^^^^ waited here
            |
            = note: waited …, permits held 0 of 1, 1 waiting, open 1, idle 0, longest wait …, lent to plain sqlx at tests/tests/findings/dry_reports.rs:156
            = cause (unknown, unknown): plain sqlx was given this pool, and what it takes is not seen
            = help: look at what uses the pool that was given away at tests/tests/findings/dry_reports.rs:156
            = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
    drop(taken);
}

#[tokio::test]
async fn a_timeout_by_a_blocked_runtime() {
    let pool = impatient(1, "blocked").await;
    let run = async {
        let asks = async {
            pool.has_handles(1).await;
            asks(&pool).await
        };
        let _ended = tokio::join!(keeps(&pool), asks, async {
            pool.has_handles(1).await;
            pool.has_waiting(1).await;
            std::thread::sleep(SOON + Duration::from_millis(1200));
        });
    };
    let finding = found(Lint::PoolTimeout, &pool, run).await;
    check(
        &finding,
        &expect![[r#"
        warning[pool_timeout]: findings::dry_reports::asks waited … for a connection of pool blocked and got none
           --> tests/tests/findings/dry_reports.rs:142:21
            |
        142 |     let conn = pool.acquire().await?;
            |                     ^^^^^^^ waited here
            |
           ::: tests/tests/findings/dry_reports.rs:149:21
            |
        149 |     let conn = pool.acquire().await?;
            |                     ------- findings::dry_reports::keeps holds 1 permit for …, idle for …
            |
            = note: waited …, permits held 1 of 1, 1 waiting, open 1, idle 0, longest wait …, slowest poll …
            = cause (runtime_stall, likely): the async runtime took … to poll a task that was woken: something blocks its threads
            = help: look for code that blocks in async functions (`std::thread::sleep`, a std lock, a long computation, blocking IO) and move it: `tokio::task::spawn_blocking(move || …).await?`
            = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
}

#[tokio::test]
async fn a_timeout_under_a_paused_clock() {
    let pool = pool_of(1).await.called("paused");
    let run = async {
        let asks = async {
            pool.has_handles(1).await;
            tokio::time::pause();
            let _ended = asks(&pool).await;
        };
        let _ended = tokio::join!(keeps(&pool), asks);
    };
    let finding = found(Lint::PoolTimeout, &pool, run).await;
    check(
        &finding,
        &expect![[r#"
        warning[pool_timeout]: findings::dry_reports::asks waited … for a connection of pool paused and got none
           --> tests/tests/findings/dry_reports.rs:142:21
            |
        142 |     let conn = pool.acquire().await?;
            |                     ^^^^^^^ waited here
            |
           ::: tests/tests/findings/dry_reports.rs:149:21
            |
        149 |     let conn = pool.acquire().await?;
            |                     ------- findings::dry_reports::keeps holds 1 permit for …, idle for …
            |
            = note: waited …, permits held 1 of 1, 1 waiting, open 1, idle 0, longest wait …
            = cause (unknown, certain): only … really passed of the … that the pool waits: the runtime's clock is paused or was advanced
            = help: in a test with tokio's paused clock, time runs ahead while a connection is awaited: resume it around the database, `tokio::time::resume()`
            = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
}
