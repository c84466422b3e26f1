//! `duplicate_pool`: a call site that makes a pool where one is there already.
//!
//! Most pools here connect lazily, and need no server.

mod found;
mod levels;
mod silent;
mod ways;

use sqlx::PgPool;
use sqlx::leash::testing::findings;
use sqlx::leash::{Finding, Lint, PoolExt};
use sqlx::postgres::PgPoolOptions;

use crate::common::{only_of, until};

/// More than the limit by one.
const TOO_MANY: usize = 4;

/// Where no server listens.
const URL: &str = "postgres://eye@127.0.0.1:1/shop";

fn lazy() -> PgPool {
    PgPoolOptions::new().connect_lazy(URL).unwrap()
}

/// Waits until every pool that was made before was compared with the others.
async fn compared() {
    // A pass of the watchdog may report the first witness before it looks at the others. The second is found by a later pass.
    for _ in 0..2 {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("witness {number}");
        leash_tests::listen();
        let witnesses: Vec<PgPool> = (0..TOO_MANY).map(|_| lazy().named(&name)).collect();
        until("the witness is found", || {
            !leash_tests::received(&name).is_empty()
        })
        .await;
        drop(witnesses);
    }
}

/// What is found of the pools that `make` makes and returns, without the witnesses.
async fn about<T>(make: impl Future<Output = T>) -> (T, Vec<Finding>) {
    let (pools, mut found) = findings(async {
        let pools = make.await;
        compared().await;
        pools
    })
    .await;
    found.retain(|it| it.lint == Lint::DuplicatePool && !is_of_witness(it));
    (pools, found)
}

fn is_of_witness(found: &Finding) -> bool {
    let name = found.pool.as_deref().unwrap_or_default();
    name.starts_with("witness ")
}

/// The only finding about the pools that `make` makes and returns.
async fn one_about<T>(make: impl Future<Output = T>) -> Finding {
    let (_pools, found) = about(make).await;
    only_of(Lint::DuplicatePool, &found).clone()
}
