//! Memory depends on the live scopes, not on their names.

use futures::future::join_all;
use sqlx::leash::{self, ScopeExt};
use sqlx::{SqlitePool, track};
use tokio::sync::Barrier;

use crate::common::pool_of;

use super::flat;

#[test]
fn ten_thousand_scopes_at_once() {
    const SCOPES: usize = 10_000;
    #[track]
    async fn one(pool: &SqlitePool, all_are_in: &Barrier) {
        sqlx::query("SELECT 1").execute(pool).await.unwrap();
        if all_are_in.wait().await.is_leader() {
            assert_eq!(leash::snapshot().tracker.scopes, SCOPES as u64);
        }
        all_are_in.wait().await;
    }
    flat(
        "ten_thousand_scopes_at_once",
        1,
        async || pool_of(1).await,
        async |pool, number| {
            // In the first round and in the last.
            if number % 9 == 0 {
                let all_are_in = Barrier::new(SCOPES);
                join_all((0..SCOPES).map(|_| one(pool, &all_are_in))).await;
            }
            assert_eq!(leash::snapshot().tracker.scopes, 0);
        },
    );
}

#[test]
fn a_million_scopes_one_after_the_other() {
    flat(
        "a_million_scopes_one_after_the_other",
        100_000,
        async || pool_of(1).await,
        async |_, _| {
            // Entering a scope allocates nothing. Carrying it into a branch creates it.
            leash::scope("entered", async {
                async {}.in_current_scope().await;
            })
            .await;
        },
    );
}

#[test]
fn names_of_scopes_made_at_run_time() {
    flat(
        "names_of_scopes_made_at_run_time",
        // More names than the crate counts separately.
        5_000,
        async || pool_of(1).await,
        async |_, number| {
            // Each name is a prefix of one static text, so that the test itself leaks no names.
            const NAMES: &str = match std::str::from_utf8(&[b'x'; 50_000]) {
                Ok(text) => text,
                Err(_) => unreachable!(),
            };
            let name = &NAMES[..number as usize];
            leash::scope(name, async {}).await;
        },
    );
}
