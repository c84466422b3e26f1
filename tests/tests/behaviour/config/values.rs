//! The sources of values: builders, the environment, wrong entries, limits.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use leash_tests::in_child;
use sqlx::leash::{self, Config, ConfigError, Level, Lint};
use sqlx::{Executor, SqlitePool, track};

use crate::common::{pool, until};

use super::{ALLOW, DEFAULT, DENY, WARN, levels};

#[test]
fn a_limit_that_no_clock_or_counter_reaches_is_never_reached() {
    #[track(held_too_long = "10ms", max_queries = 18446744073709551615)]
    async fn holds(pool: &SqlitePool) {
        let mut held = pool.acquire().await.unwrap();
        held.execute("SELECT 1").await.unwrap();
        // One pass of the watchdog checks both limits.
        until("the shorter limit is reached", || REPORTED.load(Relaxed)).await;
    }
    static REPORTED: AtomicBool = AtomicBool::new(false);
    let variables = [(
        "SQLX_LEASH",
        "held_idle=500000000000y,slow_query=500000000000y,report=500000000000y,return_timeout=500000000000y",
    )];
    let printed = in_child(
        "config::values::a_limit_that_no_clock_or_counter_reaches_is_never_reached",
        &variables,
        |runtime| {
            leash::on_finding(|finding| {
                REPORTED.fetch_or(finding.lint == Lint::HeldTooLong, Relaxed);
            });
            leash::spawn_reporter();
            runtime.block_on(async {
                let pool = pool().await;
                holds(&pool).await;
                pool.close().await;
            });
        },
    );
    assert!(!printed.err.contains("panicked"), "{}", printed.err);
}

#[test]
fn by_builder() {
    let _ = in_child("config::values::by_builder", &[], |runtime| {
        Config::new()
            .level(Lint::OutlivedScope, Level::Warn)
            .install();
        assert_eq!(runtime.block_on(levels()), [WARN, WARN, ALLOW, DENY]);
        Config::new().cap(Level::Allow).install();
        assert_eq!(runtime.block_on(levels()), [ALLOW; 4]);
        Config::new().install();
        assert_eq!(runtime.block_on(levels()), [DEFAULT, WARN, ALLOW, DENY]);
    });
}

#[test]
fn the_snapshot_lists_the_levels() {
    let variables = [("SQLX_LEASH", "n_plus_one=deny,pool=allow")];
    let _ = in_child(
        "config::values::the_snapshot_lists_the_levels",
        &variables,
        |_| {
            let levels = leash::snapshot().lints;
            let level = |lint| levels.iter().find(|row| row.lint == lint).unwrap().level;
            assert_eq!(levels.len(), Lint::ALL.len());
            assert_eq!(level(Lint::NPlusOne), Level::Deny);
            assert_eq!(level(Lint::NestedAcquire), Level::Allow);
            assert_eq!(level(Lint::HeldTooLong), Level::Allow);
            assert_eq!(level(Lint::HeldIdle), Level::Warn);
        },
    );
}

#[test]
fn a_wrong_entry_is_reported_once_and_the_rest_applies() {
    let variables = [(
        "SQLX_LEASH",
        "outlived_scop=deny,outlived_scope=warn,held_idle=soon",
    )];
    let printed = in_child(
        "config::values::a_wrong_entry_is_reported_once_and_the_rest_applies",
        &variables,
        |runtime| {
            assert_eq!(runtime.block_on(levels()), [WARN, WARN, ALLOW, DENY]);
            assert_eq!(runtime.block_on(levels()), [WARN, WARN, ALLOW, DENY]);
            let error = Config::from_env().unwrap_err();
            assert!(
                matches!(&error, ConfigError::Several(errors) if errors.len() == 2),
                "{error}"
            );
            let error = error.to_string();
            assert!(
                error.contains("did you mean `outlived_scope`?") && error.contains("`soon`"),
                "{error}"
            );
        },
    );
    assert_eq!(
        printed.err.matches("outlived_scop=deny").count(),
        1,
        "{}",
        printed.err
    );
    assert!(printed.err.contains("SQLX_LEASH"), "{}", printed.err);
}

#[test]
fn the_environment_as_a_value() {
    let variables = [("SQLX_LEASH", "outlived_scope=allow")];
    let _ = in_child(
        "config::values::the_environment_as_a_value",
        &variables,
        |runtime| {
            Config::from_env().unwrap().install();
            assert_eq!(runtime.block_on(levels()), [ALLOW, WARN, ALLOW, DENY]);
        },
    );
}

/// The entry has no effect, the other settings apply, and the next statement reports it.
#[test]
fn a_limit_of_the_wrong_unit_is_reported_once_and_the_rest_applies() {
    let printed = in_child(
        "config::values::a_limit_of_the_wrong_unit_is_reported_once_and_the_rest_applies",
        &[],
        |runtime| {
            let pool = runtime.block_on(pool());
            let send = || runtime.block_on(pool.execute("SELECT 1")).unwrap();
            send();
            let wrong = || Config::new().limit(Lint::HeldIdle, 5).cap(Level::Warn);
            for config in [wrong(), wrong().off()] {
                config.install();
                send();
                eprintln!("after the first statement");
                send();
            }
            wrong().install();
            assert_eq!(runtime.block_on(levels()), [WARN, WARN, ALLOW, WARN]);
        },
    );
    let error = "error: leash::Config: `limit(Lint::HeldIdle, 5)`: `5` is not a time; \
                 pass a `Duration`; the other entries apply";
    let parts: Vec<_> = printed.err.split("after the first statement").collect();
    let [first, second, third] = parts[..] else {
        panic!("{}", printed.err);
    };
    for part in [first, second, third] {
        assert_eq!(part.matches(error).count(), 1, "{}", printed.err);
    }
}
