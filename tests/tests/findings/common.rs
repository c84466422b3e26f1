//! Shared by the modules.

mod found;
mod logged;
mod pools;

use tokio::runtime::Runtime;

pub(crate) use found::{
    DENY_IN_DEBUG, Says, assert_certainty, assert_helps, assert_none, assert_primary, none_of,
    only, only_of, related, rendered, reported, said, silent, watched,
};
pub(crate) use leash_tests::{
    HUNDRED, Place, TestPool, Tx, declared, in_child, in_memory, marked, path_of, received,
    settled, until, written,
};
pub(crate) use logged::{Lines, note_panics, panics_about, panics_at};
pub(crate) use pools::{
    Gate, PATIENCE, bare_pool_of, connect, options, pool, pool_named, pool_of, reads,
};

/// Runs `body` in its own process, with `SQLX_LEASH` set to `environment` unless that is empty, and returns the child's
/// standard error. `test` is the full name of the calling test: the child runs that test again.
///
/// In the child this function does not return.
#[track_caller]
pub(crate) fn in_child_under(test: &str, environment: &str, body: impl FnOnce(&Runtime)) -> String {
    let variable = [("SQLX_LEASH", environment)];
    let variables = if environment.is_empty() {
        &[][..]
    } else {
        &variable
    };
    in_child(test, variables, body).err
}
