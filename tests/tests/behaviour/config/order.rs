//! The order of attribute, environment, code and default.

use leash_tests::in_child;
use sqlx::leash::{Config, Level};

use crate::common::path_of;

use super::{ALLOW, DEFAULT, DENY, WARN, levels};

/// With `environment` set and `code` installed, the functions' findings have these levels.
#[track_caller]
fn check(test: &str, environment: &str, code: &str, expected: [Option<Level>; 4]) {
    let (test, environment) = (path_of(test), [("SQLX_LEASH", environment)]);
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
    // The child's first pool has this name.
    check(
        "the_pool_named_is_concerned",
        "outlived_scope[test pool 0]=allow,outlived_scope=warn",
        "",
        [ALLOW, WARN, ALLOW, DENY],
    );
}
