//! Handles that outlive the scope that took them.

use std::time::Instant;

use super::Reaction;
use super::describe::{definite, facts, noun};
use super::emit::Audience;
use super::judge::judge;
use crate::config;
use crate::finding::{Finding, Lint, Related};
use crate::handle::Handle;
use crate::scope::Scope;
use crate::snapshot::{Activity, HandleInfo};
use crate::source::function::Function;

/// A scope ended, and `handle` is still alive although nothing that the scope returned can contain it.
///
/// `returned` is false where the scope was cancelled or panicked.
pub(crate) fn outlived_scope(scope: &Scope, handle: &Handle, returned: bool) -> Reaction {
    let function = scope.function();
    let pool = handle.pool.name();
    let Some(level) = judge(
        &config::rules(),
        Lint::OutlivedScope,
        Some(function),
        Some(&pool),
    ) else {
        return Reaction::Go;
    };
    let info = handle.read(Instant::now());
    let what = noun(&info);
    let name = function.name();
    let taken_by = info.site.function.as_deref().unwrap_or(name);
    let (ended, label, cause) = if returned {
        (
            "returned",
            format!("this function returned, and its value cannot contain {what}"),
            "was not dropped, and the type of the returned value cannot contain it",
        )
    } else {
        (
            "was cancelled or panicked",
            "cancelled in here, or panicked".to_owned(),
            "was not dropped with everything else that the function held",
        )
    };
    let title = if taken_by == name {
        format!("{name} {ended} while {what} that it took is still alive")
    } else {
        format!("{name} {ended} while {what} that {taken_by} took and returned is still alive")
    };
    let finding = Finding::of(Lint::OutlivedScope, level, handle.place)
        .at_fault(name)
        .title(title)
        .label(format!("taken here, in {taken_by}"))
        .pool(&pool)
        .certain(format!("{} {cause}", definite(what)))
        .related(label, function.place())
        .all_related(handed_up_through(handle, function))
        .facts(facts(&info, handle.pool.limits.max_connections))
        .helps(help(&info))
        .note("it is not known where it is now: in a field, a static, a collection, a channel or another task, or leaked by `mem::forget`")
        .note(format!(
            "if the value that {name} returns does contain it, declare that with `#[track(returns_handle)]`; to allow this, \
             `#[track(allow(outlived_scope, reason = \"…\"))]`"
        ))
        .note("read more: `leash::explain(Lint::OutlivedScope)`");
    finding.report(Audience::of(handle, scope.collector(), returned))
}

/// The functions between the one that took the handle and this one.
fn handed_up_through(handle: &Handle, function: &Function) -> Vec<Related> {
    let mut by = handle.handed_up_by();
    // The last one is this function itself.
    by.pop();
    by.into_iter()
        .filter(|passed| passed.name() != function.name())
        .map(|passed| Related::new("returned through here", passed.place()))
        .collect()
}

fn help(info: &HandleInfo) -> Vec<String> {
    let end_it = match (info.activity, info.transaction_depth) {
        (Activity::Streaming, _) => {
            "read the stream to its end or drop it before returning; to keep its rows, collect them: `.try_collect::<Vec<_>>().await?`"
        }
        (_, 0) => {
            "let it go out of scope before returning, and keep the pool instead: a `Pool` is cheap to clone"
        }
        (_, _) => {
            "end it where it began, before returning: `tx.commit().await?`, or `tx.rollback().await?`"
        }
    };
    let mut help = vec![
        end_it.to_owned(),
        "or return it, so that the caller owns it".to_owned(),
    ];
    if info.activity != Activity::Streaming {
        help.push("or, if it is meant to live long, declare why: `.long_lived(\"…\")`".to_owned());
    }
    help
}
