//! Whether a lint reports at all.

use crate::config::Rules;
use crate::finding::{Level, Lint};
use crate::handle::Handle;
use crate::source::function::Function;

/// The level of a lint for a function and a pool; `None` where the lint is allowed.
pub(super) fn judge(
    rules: &Rules,
    lint: Lint,
    function: Option<&Function>,
    pool: Option<&str>,
) -> Option<Level> {
    let level = rules.level(lint, function, pool);
    (level != Level::Allow).then_some(level)
}

/// The level of a lint for the place where a handle was asked for.
pub(super) fn judge_handle(rules: &Rules, lint: Lint, handle: &Handle) -> Option<Level> {
    judge(
        rules,
        lint,
        handle.place.function,
        Some(&handle.pool.name()),
    )
}
