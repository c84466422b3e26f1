//! What is logged of an observer.

use leash_tests::in_child;
use sqlx::leash::observed::Statement;
use sqlx::leash::{self, Observer};
use tracing::Level;

use super::Collected;
use crate::common::pool;

struct Panics;

impl Observer for Panics {
    fn statement(&self, _: &Statement<'_>) {
        panic!("the observer");
    }
}

/// In its own process: an observer stays.
#[test]
fn the_first_panic_of_each_is_logged() {
    let test = "events::observer::the_first_panic_of_each_is_logged";
    let _ = in_child(test, &[], |runtime| {
        let (collected, _guard) = Collected::start();
        leash::observe(Panics);
        leash::observe(Panics);
        runtime.block_on(async {
            let pool = pool().await;
            for _ in 0..3 {
                sqlx::query("SELECT 1").execute(&*pool).await.unwrap();
            }
        });
        let mut logged = collected.of("sqlx_leash");
        logged.retain(|seen| seen.level == Level::ERROR);
        assert_eq!(logged.len(), 2, "{logged:#?}");
        for seen in logged {
            assert_eq!(
                seen.field("message"),
                "the observer behaviour::events::observer::Panics panicked; its further panics are not logged"
            );
        }
    });
}
