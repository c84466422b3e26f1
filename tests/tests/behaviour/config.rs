//! Configuration: attribute, environment, code, default; the ceiling, the switch, and what is told of mistakes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use sqlx::leash::{self, Config, ConfigError, Level, Lint};
use sqlx::{Connection, Executor, SqliteConnection, SqlitePool, track};

use crate::child::in_child;
use crate::common::{Tx, of_leaks, pool, rows_of, until};

/// What was put away; never taken out again.
static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());

#[track]
async fn default(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

#[track(warn(outlived_scope))]
async fn warned(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

#[track(allow(outlived_scope, reason = "the test wants it"))]
async fn allowed(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

#[track(deny(leaks))]
async fn denied(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

/// The levels at which [`default`], [`warned`], [`allowed`] and [`denied`] are told; `None` where nothing is.
async fn levels() -> [Option<Level>; 4] {
    let pool = pool().await;
    let mut levels = [None; 4];
    let told = [
        default(&pool).boxed(),
        warned(&pool).boxed(),
        allowed(&pool).boxed(),
        denied(&pool).boxed(),
    ];
    for (level, future) in levels.iter_mut().zip(told) {
        let ((), findings) = leash::testing::findings(future).await;
        let findings = of_leaks(findings);
        assert!(findings.len() <= 1);
        *level = findings.first().map(|finding| finding.level);
    }
    levels
}

const ALLOW: Option<Level> = None;
const WARN: Option<Level> = Some(Level::Warn);
const DENY: Option<Level> = Some(Level::Deny);
/// Without any configuration.
const DEFAULT: Option<Level> = if cfg!(debug_assertions) { DENY } else { WARN };

/// With `environment` set and `code` installed, the functions are told at these levels.
#[track_caller]
fn check(test: &str, environment: &str, code: &str, expected: [Option<Level>; 4]) {
    let (test, environment) = (format!("config::{test}"), [("SQLX_LEASH", environment)]);
    let _ = in_child(&test, &environment, |runtime| {
        if !code.is_empty() {
            code.parse::<Config>().unwrap().install();
        }
        assert_eq!(runtime.block_on(levels()), expected);
    });
}

#[test]
fn nothing_set() {
    check("nothing_set", "", "", [DEFAULT, WARN, ALLOW, DENY]);
}

#[test]
fn code_beats_the_default() {
    check(
        "code_beats_the_default",
        "",
        "outlived_scope=warn",
        [WARN, WARN, ALLOW, DENY],
    );
}

#[test]
fn the_environment_beats_code() {
    check(
        "the_environment_beats_code",
        "outlived_scope=deny",
        "outlived_scope=allow",
        [DENY, WARN, ALLOW, DENY],
    );
}

#[test]
fn a_group_of_the_environment_beats_code() {
    check(
        "a_group_of_the_environment_beats_code",
        "leaks=allow",
        "outlived_scope=deny",
        [ALLOW, WARN, ALLOW, DENY],
    );
}

#[test]
fn a_lint_beats_its_group_whatever_the_order() {
    check(
        "a_lint_beats_its_group_whatever_the_order",
        "outlived_scope=deny,all=allow",
        "",
        [DENY, WARN, ALLOW, DENY],
    );
}

#[test]
fn the_cap_is_over_everything() {
    check(
        "the_cap_is_over_everything",
        "cap=warn,outlived_scope=deny",
        "",
        [WARN, WARN, ALLOW, WARN],
    );
}

#[test]
fn the_cap_of_code_is_over_everything() {
    check(
        "the_cap_of_code_is_over_everything",
        "outlived_scope=deny",
        "cap=allow",
        [ALLOW; 4],
    );
}

#[test]
fn off_silences_all() {
    check("off_silences_all", "off", "outlived_scope=deny", [ALLOW; 4]);
}

#[test]
fn another_pool_is_not_concerned() {
    check(
        "another_pool_is_not_concerned",
        "outlived_scope[other]=allow,outlived_scope=warn",
        "",
        [WARN, WARN, ALLOW, DENY],
    );
}

#[test]
fn the_pool_named_is_concerned() {
    // The first pool of the child.
    check(
        "the_pool_named_is_concerned",
        "outlived_scope[test pool 0]=allow,outlived_scope=warn",
        "",
        [ALLOW, WARN, ALLOW, DENY],
    );
}

#[test]
fn a_limit_that_no_clock_or_counter_reaches_is_never_reached() {
    #[track(held_too_long = "10ms", max_queries = 18446744073709551615)]
    async fn holds(pool: &SqlitePool) {
        let mut held = pool.acquire().await.unwrap();
        held.execute("SELECT 1").await.unwrap();
        // The same look of the watchdog sees both limits.
        until("the shorter limit is reached", || TOLD.load(Relaxed)).await;
    }
    static TOLD: AtomicBool = AtomicBool::new(false);
    let variables = [(
        "SQLX_LEASH",
        "held_idle=500000000000y,slow_query=500000000000y,report=500000000000y,return_timeout=500000000000y",
    )];
    let printed = in_child(
        "config::a_limit_that_no_clock_or_counter_reaches_is_never_reached",
        &variables,
        |runtime| {
            leash::on_finding(|finding| {
                TOLD.fetch_or(finding.lint == Lint::HeldTooLong, Relaxed);
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
    let _ = in_child("config::by_builder", &[], |runtime| {
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
fn the_snapshot_tells_the_levels() {
    let variables = [("SQLX_LEASH", "n_plus_one=deny,pool=allow")];
    let _ = in_child("config::the_snapshot_tells_the_levels", &variables, |_| {
        let levels = leash::snapshot().lints;
        let level = |lint| levels.iter().find(|row| row.lint == lint).unwrap().level;
        assert_eq!(levels.len(), Lint::ALL.len());
        assert_eq!(level(Lint::NPlusOne), Level::Deny);
        assert_eq!(level(Lint::NestedAcquire), Level::Allow);
        assert_eq!(level(Lint::HeldTooLong), Level::Allow);
        assert_eq!(level(Lint::HeldIdle), Level::Warn);
    });
}

#[test]
fn a_wrong_entry_is_told_once_and_the_rest_applies() {
    let variables = [(
        "SQLX_LEASH",
        "outlived_scop=deny,outlived_scope=warn,held_idle=soon",
    )];
    let printed = in_child(
        "config::a_wrong_entry_is_told_once_and_the_rest_applies",
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
        "config::the_environment_as_a_value",
        &variables,
        |runtime| {
            Config::from_env().unwrap().install();
            assert_eq!(runtime.block_on(levels()), [ALLOW, WARN, ALLOW, DENY]);
        },
    );
}

/// Switched off, nothing is counted, nothing is listed, and everything works.
#[test]
fn off_counts_nothing() {
    let _ = in_child(
        "config::off_counts_nothing",
        &[("SQLX_LEASH", "off")],
        |runtime| {
            runtime.block_on(async {
                #[track]
                async fn works(pool: &SqlitePool) -> sqlx::Result<i64> {
                    let mut tx = pool.begin().await?;
                    tx.execute("INSERT INTO exam (name) VALUES ('x')").await?;
                    let count = sqlx::query_scalar("SELECT count(*) FROM exam")
                        .fetch_one(&mut *tx)
                        .await?;
                    tx.commit().await?;
                    Ok(count)
                }
                let pool = pool().await;
                let (count, counted) = leash::testing::counting(works(&pool)).await;
                assert_eq!((count.unwrap(), counted), (1, 0));
                let _held = pool.acquire().await.unwrap();
                pool.assert_empty();
                assert_eq!(rows_of("config::off_counts_nothing::works").len(), 0);
                let snapshot = leash::snapshot();
                assert_eq!(
                    (
                        snapshot.sites.len(),
                        snapshot.tracker.live,
                        snapshot.tracker.rows
                    ),
                    (0, 0, 0)
                );
                assert_eq!(pool.stats().acquired, 0);
            });
        },
    );
}

/// Two statements of a program that has a connection and no pool.
#[track]
async fn without_a_pool() -> sqlx::Result<()> {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await?;
    for _ in 0..2 {
        sqlx::query("SELECT 1").execute(&mut connection).await?;
    }
    connection.close().await
}

#[test]
fn the_environment_holds_without_a_pool() {
    let variables = [(
        "SQLX_LEASH",
        "query_budget=warn:1,slow_query=1ns,held_idle=soon",
    )];
    let test = "config::the_environment_holds_without_a_pool";
    let printed = in_child(test, &variables, |runtime| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        leash::on_finding({
            let heard = Arc::clone(&heard);
            move |finding| heard.lock().unwrap().push(finding.lint)
        });
        runtime.block_on(without_a_pool()).unwrap();
        assert_eq!(
            *heard.lock().unwrap(),
            [Lint::SlowQuery, Lint::QueryBudget, Lint::SlowQuery]
        );
    });
    assert_eq!(printed.err.matches("`soon`").count(), 1, "{}", printed.err);
}

#[test]
fn off_counts_nothing_without_a_pool() {
    let test = "config::off_counts_nothing_without_a_pool";
    let _ = in_child(test, &[("SQLX_LEASH", "off")], |runtime| {
        runtime.block_on(without_a_pool()).unwrap();
        assert!(leash::snapshot().sites.is_empty());
    });
}

#[test]
fn a_callback_hears_before_the_panic_and_may_panic_itself() {
    let printed = in_child(
        "config::a_callback_hears_before_the_panic_and_may_panic_itself",
        &[],
        |runtime| {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let panicked = Arc::new(AtomicBool::new(false));
            leash::on_finding(|_| panic!("the callback is broken"));
            leash::on_finding({
                let (heard, panicked) = (Arc::clone(&heard), Arc::clone(&panicked));
                move |finding| {
                    // What asks the tracker, or registers another callback, meets no lock.
                    let _ = leash::snapshot();
                    heard.lock().unwrap().push((
                        finding.lint,
                        finding.level,
                        panicked.load(Relaxed),
                    ));
                }
            });
            let pool = runtime.block_on(pool());
            let task = runtime.spawn({
                let pool = (*pool).clone();
                async move { denied(&pool).await }
            });
            let ended = runtime.block_on(task);
            panicked.store(true, Relaxed);
            assert_eq!(
                ended.is_err(),
                cfg!(debug_assertions),
                "deny panics in a debug build only"
            );
            assert_eq!(
                *heard.lock().unwrap(),
                [(Lint::OutlivedScope, Level::Deny, false)]
            );
            runtime.block_on(allowed(&pool));
            assert_eq!(
                heard.lock().unwrap().len(),
                1,
                "what is allowed is not heard"
            );
            runtime.block_on(warned(&pool));
            assert_eq!(
                heard.lock().unwrap()[1],
                (Lint::OutlivedScope, Level::Warn, true)
            );
            // With a collector it is heard as well.
            let ((), findings) = runtime.block_on(leash::testing::findings(denied(&pool)));
            assert_eq!((findings.len(), heard.lock().unwrap().len()), (1, 3));
        },
    );
    assert!(
        printed.err.contains("the callback is broken"),
        "{}",
        printed.err
    );
}

/// What was just told of a place is not told again; all of it is counted.
#[test]
fn the_second_of_a_kind_is_not_told_within_a_minute() {
    #[track(warn(outlived_scope))]
    async fn elsewhere(pool: &SqlitePool) {
        let tx = pool.begin().await.unwrap();
        KEPT.lock().unwrap().push(tx);
    }
    let printed = in_child(
        "config::the_second_of_a_kind_is_not_told_within_a_minute",
        &[],
        |runtime| {
            let heard = Arc::new(AtomicU64::new(0));
            leash::on_finding({
                let heard = Arc::clone(&heard);
                move |_| _ = heard.fetch_add(1, Relaxed)
            });
            let pool = runtime.block_on(pool());
            for _ in 0..3 {
                runtime.block_on(warned(&pool));
            }
            let lints = leash::snapshot().lints;
            let row = lints
                .iter()
                .find(|row| row.lint == Lint::OutlivedScope)
                .unwrap();
            assert_eq!((row.found, row.suppressed, heard.load(Relaxed)), (3, 2, 3));
            runtime.block_on(elsewhere(&pool));
        },
    );
    if cfg!(debug_assertions) {
        assert_eq!(
            printed.err.matches("config::warned returned while").count(),
            1,
            "{}",
            printed.err
        );
        assert_eq!(
            printed.err.matches("elsewhere returned while").count(),
            1,
            "{}",
            printed.err
        );
    }
}

/// Where no subscriber takes it, a debug build prints it on stderr.
#[test]
fn without_a_subscriber_it_is_printed() {
    let printed = in_child(
        "config::without_a_subscriber_it_is_printed",
        &[],
        |runtime| {
            let pool = runtime.block_on(pool());
            runtime.block_on(warned(&pool));
        },
    );
    let told = ["warning: outlived_scope:", "warning[outlived_scope]:"]
        .iter()
        .any(|head| printed.err.contains(head));
    assert_eq!(told, cfg!(debug_assertions), "{}", printed.err);
    assert_eq!(
        printed.err.contains("tests/tests/behaviour/config.rs:"),
        cfg!(debug_assertions),
        "{}",
        printed.err
    );
}
