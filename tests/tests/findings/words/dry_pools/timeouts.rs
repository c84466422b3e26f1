//! Timeouts, one of each verdict.

use std::time::Duration;

use expect_test::expect;
use futures::future::join_all;
use sqlx::leash::{Backend, Finding, Lint, PoolExt};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Pool, SqlitePool, track};

use crate::common::{TestPool, bare_pool_of, connect, options, settled};

use super::{Result, Shop, check, found, without_numbers};

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
            warning[pool_timeout]: findings::words::dry_pools::Shop::next_number waited … for a connection of pool shop that gives up and got none
              --> tests/tests/findings/words/dry_pools.rs:71:33
               |
            71 |         sqlx::query("SELECT 1").execute(&self.pool).await?;
               |                                 ^^^^^^^ waited here
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
               = note: waited …, permits held 2 of 2, 2 waiting, open 2, idle 0, longest wait …
               = cause (deadlock, certain): each holder awaits an acquire and keeps its handle meanwhile: none can continue before another one does
               = help: let findings::words::dry_pools::Shop::next_number take the connection as a parameter, `conn: &mut leash::Conn<'_, Sqlite>` with `use sqlx::{Sqlite, leash}`, and pass `&mut tx`
               = help: or, if it need not be part of the transaction, commit before: `tx.commit().await?`
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
            warning[pool_timeout]: findings::words::dry_pools::Shop::list waited … for a connection of pool payments and got none
               --> tests/tests/findings/words/dry_pools.rs:100:40
                |
            100 |         sqlx::query("SELECT 'a list'").fetch_all(&self.pool).await?;
                |                                        ^^^^^^^^^ waited here
                |
               ::: tests/tests/findings/words/dry_pools.rs:92:32
                |
             92 |         let mut tx = self.pool.begin().await?;
                |                                ----- findings::words::dry_pools::Shop::pay holds 1 permit for …, idle for …, last SELECT at tests/tests/findings/words/dry_pools.rs:93:43
                |
                = note: waited …, permits held 1 of 1, 1 waiting, open 1, idle 0, longest wait …, idle holders 1
                = cause (hoarder, certain): 1 of 1 permit has been held idle for … or longer, 1 of them by findings::words::dry_pools::Shop::pay
                = help: end the transaction in findings::words::dry_pools::Shop::pay before its slow work: `tx.commit().await?`
                = help: or, if findings::words::dry_pools::Shop::pay waits for a lock (`Mutex`, `OnceCell`) whose owner waits for this pool: lock before the connection is taken, everywhere
                = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
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
        warning[pool_timeout]: findings::words::dry_pools::timeouts::reports waited … for a connection of pool reports and got none
          --> tests/tests/findings/words/dry_pools/timeouts.rs:#:#
           |
        # |     sqlx::query("SELECT pg_sleep(#.#)").execute(pool).await?;
           |                                         ^^^^^^^ waited here
           |
          ::: tests/tests/findings/words/dry_pools/timeouts.rs:#:#
           |
        # |     sqlx::query("SELECT pg_sleep(#.#)").execute(pool).await?;
           |                                         ------- findings::words::dry_pools::timeouts::reports holds # permits, the oldest for …, now running a statement, last SELECT at tests/tests/findings/words/dry_pools/timeouts.rs:#:#
           |
           = note: waited …, permits held # of #, # waiting, open #, idle #, longest wait …, served during this wait #, before it in the queue #, acquires per second #.#, mean hold …, connections needed #
           = cause (capacity, likely): every permit is in use: # acquires were served during this wait, # came before this one in the queue, and the queue still had #; to serve all of them within …: # connections needed, and there are #
           = help: hold connections for less time: of the time held so far, # % was with the database … with the database, # without): make the slowest statements of the holders quicker, `leash::snapshot().sites` has them
           = help: or limit how many tasks ask at once: a queue or a `tokio::sync::Semaphore` before the work
           = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]];
    // A sample may have found the pool short of permits before.
    let text = without_numbers(&finding.render()).replace("in the last …,", "so far,");
    expected.assert_eq(&text);
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
        warning[pool_timeout]: findings::words::dry_pools::timeouts::asks waited … for a connection of pool far away and got none
          --> tests/tests/findings/words/dry_pools/timeouts.rs:23:21
           |
        23 |     let conn = pool.acquire().await?;
           |                     ^^^^^^^ waited here
           |
           = note: waited …, permits held 0 of 10, 1 waiting, open 0, idle 0, longest wait …, tried … ago
           = cause (unreachable, certain): connecting to 127.0.0.1:#/shop fails: error communicating with database: Connection refused (os error 111)
           = help: see whether a server listens at 127.0.0.1:#/shop, and whether this machine may reach it
           = help: the pool retries until `acquire_timeout`; to get the real error at once, connect without a pool when the program starts: `PgConnection::connect(url).await?`, with `use sqlx::Connection`
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
            warning[pool_timeout]: findings::words::dry_pools::timeouts::asks waited … for a connection of pool shared and got none
              --> tests/tests/findings/words/dry_pools/timeouts.rs:23:21
               |
            23 |     let conn = pool.acquire().await?;
               |                     ^^^^^^^ waited here
               |
               = note: waited …, permits held 0 of 1, 1 waiting, open 1, idle 0, longest wait …
               = cause (unaccounted, likely): 1 permit is in use, and no known handle holds it: some code takes connections from the plain sqlx pool that this one was made from
               = help: where other code needs plain sqlx's pool, pass it `pool.as_sqlx()`: its permits then count as lent
               = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
    drop(taken);
}

#[tokio::test]
async fn a_timeout_with_a_lent_connection() {
    let pool = impatient(1, "lent").await;
    let taken = given_away(&pool).acquire().await.unwrap();
    check(
        &asked(&pool).await,
        &expect![[r#"
            warning[pool_timeout]: findings::words::dry_pools::timeouts::asks waited … for a connection of pool lent and got none
              --> tests/tests/findings/words/dry_pools/timeouts.rs:23:21
               |
            23 |     let conn = pool.acquire().await?;
               |                     ^^^^^^^ waited here
               |
               = note: waited …, permits held 0 of 1, 1 waiting, open 1, idle 0, longest wait …, lent to plain sqlx at tests/tests/findings/words/dry_pools/timeouts.rs:37
               = cause (unknown, unknown): plain sqlx has this pool, and the connections that it takes are not visible
               = help: look at the code that received the pool at tests/tests/findings/words/dry_pools/timeouts.rs:37
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
            warning[pool_timeout]: findings::words::dry_pools::timeouts::asks waited … for a connection of pool blocked and got none
              --> tests/tests/findings/words/dry_pools/timeouts.rs:23:21
               |
            23 |     let conn = pool.acquire().await?;
               |                     ^^^^^^^ waited here
               |
              ::: tests/tests/findings/words/dry_pools/timeouts.rs:30:21
               |
            30 |     let conn = pool.acquire().await?;
               |                     ------- findings::words::dry_pools::timeouts::keeps holds 1 permit for …, idle for …
               |
               = note: waited …, permits held 1 of 1, 1 waiting, open 1, idle 0, longest wait …, slowest poll …
               = cause (runtime_stall, likely): the async runtime took … to poll a task that was woken: something blocks its threads
               = help: look for code that blocks in async functions (`std::thread::sleep`, a std lock, a long computation, blocking IO) and move it: `tokio::task::spawn_blocking(move || …).await?`
               = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
}

#[tokio::test]
async fn a_timeout_under_a_paused_clock() {
    let pool = bare_pool_of(1).await.called("paused");
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
            warning[pool_timeout]: findings::words::dry_pools::timeouts::asks waited … for a connection of pool paused and got none
              --> tests/tests/findings/words/dry_pools/timeouts.rs:23:21
               |
            23 |     let conn = pool.acquire().await?;
               |                     ^^^^^^^ waited here
               |
              ::: tests/tests/findings/words/dry_pools/timeouts.rs:30:21
               |
            30 |     let conn = pool.acquire().await?;
               |                     ------- findings::words::dry_pools::timeouts::keeps holds 1 permit for …, idle for …
               |
               = note: waited …, permits held 1 of 1, 1 waiting, open 1, idle 0, longest wait …
               = cause (unknown, certain): only … of the pool's … really passed: the runtime's clock is paused or was advanced
               = help: tokio's paused clock advances while a connection is awaited: in the test, resume it around the database, `tokio::time::resume()`
               = note: to allow this, `#[track(allow(pool_timeout, reason = "…"))]`; read more: `leash::explain(Lint::PoolTimeout)`"#]],
    );
}
