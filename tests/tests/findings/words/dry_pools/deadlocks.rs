//! Deadlocks, and the two lints that warn of code that can cause them.

use expect_test::expect;
use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::{SqlitePool, track};
use tokio::sync::{Barrier, Notify};

use crate::common::{bare_pool_of, only_of};

use super::{Result, Shop, check, check_without_load, found};

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

#[tokio::test]
async fn a_deadlock() {
    let pool = bare_pool_of(2).await.called("shop");
    let shop = Shop::of(&pool);
    let run = async {
        let _ended = tokio::join!(shop.place_order(), shop.place_order());
    };
    let finding = found(Lint::PoolDeadlock, &pool, run).await;
    check(
        &finding,
        &expect![[r#"
            error[pool_deadlock]: findings::words::dry_pools::Shop::next_number waits for a permit of pool shop, and all 2 permits are held by scopes that wait for one
              --> tests/tests/findings/words/dry_pools.rs:71:33
               |
            71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
               |                                 ^^^^^^^ waits here, in findings::words::dry_pools::Shop::next_number
               |
              ::: tests/tests/findings/words/dry_pools.rs:59:32
               |
            59 |         let mut tx = self.pool.begin().await?;
               |                                ----- findings::words::dry_pools::Shop::place_order has held 2 permits, the oldest for …
               |
              ::: tests/tests/findings/words/dry_pools.rs:66:14
               |
            66 |     async fn reserve_stock(&self) -> Result {
               |              ------------- called through here
               |
               = note: permits 2, waiters 2, longest wait …, acquire_timeout …
               = cause (certain): each holder awaits an acquire and keeps its handle meanwhile: none can continue before another one does
               = help: let findings::words::dry_pools::Shop::next_number take the connection as a parameter, `conn: &mut leash::Conn<'_, Sqlite>` with `use sqlx::{Sqlite, leash}`, and pass `&mut tx`
               = help: or, if it need not be part of the transaction, commit before: `tx.commit().await?`
               = note: to allow this, `#[track(allow(pool_deadlock, reason = "…"))]`; read more: `leash::explain(Lint::PoolDeadlock)`"#]],
    );
}

#[tokio::test]
async fn a_deadlock_of_two_pools() {
    let (orders, stock) = (
        bare_pool_of(1).await.called("orders"),
        bare_pool_of(1).await.called("stock"),
    );
    let (both, turn) = (Barrier::new(2), Notify::new());
    let run = async {
        let _ended = tokio::join!(
            orders_then_stock(&orders, &stock, &both),
            stock_then_orders(&orders, &stock, &both, &turn),
            async {
                // The finding is reported at the last waiter, so the order is fixed here.
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
            error[pool_deadlock]: findings::words::dry_pools::deadlocks::stock_then_orders waits for a permit of pool orders, and all 2 permits of pools orders and stock are held by scopes that wait for one of them
              --> tests/tests/findings/words/dry_pools/deadlocks.rs:32:24
               |
            32 |     let order = orders.begin().await?;
               |                        ^^^^^ waits here, in findings::words::dry_pools::deadlocks::stock_then_orders
               |
              ::: tests/tests/findings/words/dry_pools/deadlocks.rs:15:24
               |
            15 |     let order = orders.begin().await?;
               |                        ----- findings::words::dry_pools::deadlocks::orders_then_stock has held 1 permit of pool orders for …
               |
              ::: tests/tests/findings/words/dry_pools/deadlocks.rs:29:22
               |
            29 |     let item = stock.acquire().await?;
               |                      ------- findings::words::dry_pools::deadlocks::stock_then_orders has held 1 permit of pool stock for …
               |
              ::: tests/tests/findings/words/dry_pools/deadlocks.rs:17:22
               |
            17 |     let item = stock.acquire().await?;
               |                      ------- another acquire of pool stock waits here
               |
               = note: permits 2, waiters 2, longest wait …, acquire_timeout …
               = cause (certain): each holder awaits an acquire and keeps its handle meanwhile: none can continue before another one does
               = help: where connections of orders and stock are needed at once, acquire them in the same order everywhere
               = help: or release the first one before: `drop(conn)`
               = note: to allow this, `#[track(allow(pool_deadlock, reason = "…"))]`; read more: `leash::explain(Lint::PoolDeadlock)`"#]],
    );
}

#[tokio::test]
async fn a_likely_deadlock() {
    let pool = bare_pool_of(1).await.called("exports");
    let shop = Shop::of(&pool);
    let run = async {
        let _ended = shop.export().await;
    };
    let finding = found(Lint::PoolDeadlock, &pool, run).await;
    check(
        &finding,
        &expect![[r#"
            error[pool_deadlock]: findings::words::dry_pools::Shop::next_number waits for a permit of pool exports, and the only permit is held by a scope that waits for one
              --> tests/tests/findings/words/dry_pools.rs:71:33
               |
            71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
               |                                 ^^^^^^^ waits here, in findings::words::dry_pools::Shop::next_number
               |
              ::: tests/tests/findings/words/dry_pools.rs:76:63
               |
            76 |         let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(&self.pool);
               |                                                               ----- findings::words::dry_pools::Shop::export has held 1 permit for …
               |
               = note: permits 1, waiters 1, longest wait …, acquire_timeout …
               = cause (likely): each holder has an acquire that waits; it is not certain that none can continue, because a row stream among them may be read by other code
               = help: read all rows first, then acquire the connection: `let rows: Vec<_> = stream.try_collect().await?`, with `use futures::TryStreamExt`
               = help: or release the first one before: `drop(stream)`
               = note: to allow this, `#[track(allow(pool_deadlock, reason = "…"))]`; read more: `leash::explain(Lint::PoolDeadlock)`"#]],
    );
}

#[tokio::test]
async fn nested_acquires() {
    let pool = bare_pool_of(5).await.called("printing");
    let shop = Shop::of(&pool);
    let (ended, found) = findings(shop.print()).await;
    ended.unwrap();
    check_without_load(
        only_of(Lint::NestedAcquire, &found),
        &expect![[r#"
            warning[nested_acquire]: findings::words::dry_pools::Shop::print acquires a connection of pool printing while it holds a connection of that pool
              --> tests/tests/findings/words/dry_pools.rs:85:33
               |
            85 |         let printer = self.pool.acquire().await?;
               |                                 ^^^^^^^ the second permit is taken here, in findings::words::dry_pools::Shop::print
               |
              ::: tests/tests/findings/words/dry_pools.rs:84:30
               |
            84 |         let conn = self.pool.acquire().await?;
               |                              ------- a connection is held from here on
               |
               = note: first held for …, tasks at once (Tn) 1, connections per task (Cm) 2, minimum safe size Tn × (Cm − 1) + 1 = 2, pool size 5, needed on average #, most held at once #, time held # % busy, # % idle in hand, waits p# # p# #
               = cause (certain): one task takes a second permit and keeps the first: when as many tasks as there are permits do so at once, each waits for the others
               = help: use the connection that is held: `&mut *conn`
               = help: or release the first one before: `drop(conn)`
               = note: so far 1 task at once, each holding up to 2 connections: 2 permits are enough, and this pool has 5
               = note: to allow this, `#[track(allow(nested_acquire, reason = "…"))]`; read more: `leash::explain(Lint::NestedAcquire)`"#]],
    );
    let (ended, found) = findings(shop.export()).await;
    ended.unwrap();
    check_without_load(
        &found[0],
        &expect![[r#"
            warning[nested_acquire]: findings::words::dry_pools::Shop::next_number sends a query to pool printing while findings::words::dry_pools::Shop::export holds a row stream of that pool
              --> tests/tests/findings/words/dry_pools.rs:71:33
               |
            71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
               |                                 ^^^^^^^ the second permit is taken here, in findings::words::dry_pools::Shop::next_number
               |
              ::: tests/tests/findings/words/dry_pools.rs:76:63
               |
            76 |         let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(&self.pool);
               |                                                               ----- a row stream is held from here on
               |
               = note: first held for …, tasks at once (Tn) 1, connections per task (Cm) 2, minimum safe size Tn × (Cm − 1) + 1 = 2, pool size 5, needed on average #, most held at once #, time held # % busy, # % idle in hand, waits p# # p# #
               = cause (certain): one task takes a second permit and keeps the first: when as many tasks as there are permits do so at once, each waits for the others
               = help: read all rows first, then acquire the connection: `let rows: Vec<_> = stream.try_collect().await?`, with `use futures::TryStreamExt`
               = help: or release the first one before: `drop(stream)`
               = note: so far 1 task at once, each holding up to 2 connections: 2 permits are enough, and this pool has 5
               = note: to allow this, `#[track(allow(nested_acquire, reason = "…"))]`; read more: `leash::explain(Lint::NestedAcquire)`"#]],
    );
}

#[tokio::test]
async fn a_query_outside_its_transaction() {
    let pool = bare_pool_of(5).await.called("ordering");
    let mut shop = Shop::of(&pool);
    shop.both_here = Barrier::new(1);
    let (ended, found) = findings(shop.place_order()).await;
    ended.unwrap();
    check(
        only_of(Lint::OutsideTransaction, &found),
        &expect![[r#"
            warning[outside_transaction]: findings::words::dry_pools::Shop::next_number sends a query to pool ordering while findings::words::dry_pools::Shop::place_order has a transaction of that pool open
              --> tests/tests/findings/words/dry_pools.rs:71:33
               |
            71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
               |                                 ^^^^^^^ runs outside the transaction, in findings::words::dry_pools::Shop::next_number
               |
              ::: tests/tests/findings/words/dry_pools.rs:59:32
               |
            59 |         let mut tx = self.pool.begin().await?;
               |                                ----- the transaction begins here
               |
              ::: tests/tests/findings/words/dry_pools.rs:66:14
               |
            66 |     async fn reserve_stock(&self) -> Result {
               |              ------------- called through here
               |
               = note: transaction open for …, after 1 statement
               = cause (certain): the query took a connection of its own: it does not see what the transaction wrote, and is not rolled back with it
               = help: let findings::words::dry_pools::Shop::next_number take the connection as a parameter, `conn: &mut leash::Conn<'_, Sqlite>` with `use sqlx::{Sqlite, leash}`, and pass `&mut tx`
               = help: or, if it must not be part of the transaction, run it before `begin` or after `commit`
               = note: to allow this, `#[track(allow(outside_transaction, reason = "…"))]`; read more: `leash::explain(Lint::OutsideTransaction)`"#]],
    );
    check_without_load(
        only_of(Lint::NestedAcquire, &found),
        &expect![[r#"
            warning[nested_acquire]: findings::words::dry_pools::Shop::next_number sends a query to pool ordering while findings::words::dry_pools::Shop::place_order holds a transaction of that pool
              --> tests/tests/findings/words/dry_pools.rs:71:33
               |
            71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
               |                                 ^^^^^^^ the second permit is taken here, in findings::words::dry_pools::Shop::next_number
               |
              ::: tests/tests/findings/words/dry_pools.rs:59:32
               |
            59 |         let mut tx = self.pool.begin().await?;
               |                                ----- a transaction is held from here on
               |
              ::: tests/tests/findings/words/dry_pools.rs:66:14
               |
            66 |     async fn reserve_stock(&self) -> Result {
               |              ------------- called through here
               |
               = note: first held for …, tasks at once (Tn) 1, connections per task (Cm) 2, minimum safe size Tn × (Cm − 1) + 1 = 2, pool size 5, needed on average #, most held at once #, time held # % busy, # % idle in hand, waits p# # p# #
               = cause (certain): one task takes a second permit and keeps the first: when as many tasks as there are permits do so at once, each waits for the others
               = help: let findings::words::dry_pools::Shop::next_number take the connection as a parameter, `conn: &mut leash::Conn<'_, Sqlite>` with `use sqlx::{Sqlite, leash}`, and pass `&mut tx`
               = help: or, if it need not be part of the transaction, commit before: `tx.commit().await?`
               = note: so far 1 task at once, each holding up to 2 connections: 2 permits are enough, and this pool has 5
               = note: to allow this, `#[track(allow(nested_acquire, reason = "…"))]`; read more: `leash::explain(Lint::NestedAcquire)`"#]],
    );
}
