//! What levels and limits do to `duplicate_pool`.

use sqlx::leash::PoolExt;
use sqlx::{PgPool, track};

use super::{TOO_MANY, URL, about, compared, one_about};
use crate::common::{assert_none, in_child_under};

fn pools(number: usize) -> Vec<PgPool> {
    (0..number)
        .map(|_| PgPool::connect_lazy(URL).unwrap().named("shop"))
        .collect()
}

#[track(allow(duplicate_pool, reason = "a test"))]
async fn is_allowed() -> Vec<PgPool> {
    pools(TOO_MANY)
}

#[track(duplicate_pool = 5)]
async fn may_make_five(number: usize) -> Vec<PgPool> {
    pools(number)
}

#[track(duplicate_pool = 1)]
async fn makes_two() -> Vec<PgPool> {
    pools(2)
}

#[tokio::test]
async fn an_allowed_one_is_silent() {
    let (_pools, found) = about(is_allowed()).await;
    assert_none(&found);
}

#[test]
fn the_attribute_sets_the_limit() {
    let test = "duplicates::levels::the_attribute_sets_the_limit";
    in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            let (five, found) = about(may_make_five(5)).await;
            assert_none(&found);
            drop(five);
            let found = one_about(may_make_five(6)).await;
            assert!(
                found.title.ends_with("alive; the limit is 5"),
                "{}",
                found.title
            );
            let found = one_about(makes_two()).await;
            assert!(
                found.title.ends_with("alive; the limit is 1"),
                "{}",
                found.title
            );
        });
    });
}

#[test]
fn the_environment_sets_the_limit_of_a_pool() {
    let test = "duplicates::levels::the_environment_sets_the_limit_of_a_pool";
    in_child_under(test, "duplicate_pool[shop]=1", |runtime| {
        runtime.block_on(async {
            let found = one_about(async { pools(2) }).await;
            assert!(
                found.title.ends_with("alive; the limit is 1"),
                "{}",
                found.title
            );
        });
    });
}

/// The help of the finding.
#[test]
fn it_is_allowed_by_the_name_of_the_pool() {
    let test = "duplicates::levels::it_is_allowed_by_the_name_of_the_pool";
    in_child_under(test, "duplicate_pool[shop]=allow", |runtime| {
        let (_pools, found) = runtime.block_on(about(async { pools(TOO_MANY) }));
        assert_none(&found);
    });
}

/// The watchdog finds it, which cannot panic for the program.
#[test]
fn a_denied_one_is_logged() {
    let test = "duplicates::levels::a_denied_one_is_logged";
    let printed = in_child_under(test, "duplicate_pool=deny,print=stderr", |runtime| {
        runtime.block_on(async {
            let _pools = pools(TOO_MANY);
            compared().await;
        });
    });
    let told = printed.matches("has made 4 pools shop that are all alive; the limit is 3\n");
    assert_eq!(told.count(), 1, "{printed}");
    assert!(
        printed.contains("error[duplicate_pool]: code at tests/"),
        "{printed}"
    );
}

#[test]
#[cfg(debug_assertions)]
fn a_test_may_fail_for_it() {
    #[track]
    async fn in_a_test() {
        let _pools = pools(TOO_MANY);
        compared().await;
    }
    let test = "duplicates::levels::a_test_may_fail_for_it";
    in_child_under(test, "duplicate_pool[shop]=deny,fail=likely", |runtime| {
        let failed = std::panic::catch_unwind(|| runtime.block_on(in_a_test()));
        let message = *failed.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("has made 4 pools shop"), "{message}");
    });
}

#[test]
fn nothing_is_compared_while_all_is_off() {
    let test = "duplicates::levels::nothing_is_compared_while_all_is_off";
    let printed = in_child_under(test, "off,print=stderr", |runtime| {
        runtime.block_on(async {
            let _pools = pools(TOO_MANY);
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        });
    });
    assert!(!printed.contains("duplicate_pool"), "{printed}");
}
