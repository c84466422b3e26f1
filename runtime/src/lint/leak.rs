//! Handles that outlive the scope that took them.

use std::time::Instant;

use super::Reaction;
use super::advice::LONG_LIVED;
use super::describe::{definite, facts, is_begun_by_statement, noun, numbers_of_handle};
use super::emit::Audience;
use super::judge::judge;
use crate::config;
use crate::finding::{Certainty, Finding, Lint, Related};
use crate::handle::Handle;
use crate::scope::Scope;
use crate::snapshot::{Activity, HandleInfo};
use crate::source::function::Function;

/// How a scope ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It returned a value whose type shows no handle.
    Returned {
        /// Whether the type may hide one: it is the user's own, and does not show what is in it.
        may_hide: bool,
        /// The argument that the function may have put the handle into.
        kept_in: Option<&'static str>,
    },
    /// It was cancelled or panicked.
    CutShort,
    /// It was a request, and its response and the body are gone.
    #[cfg(feature = "tower")]
    Request,
}

/// A scope ended, and `handle` is still alive although nothing shows that what the scope returned contains it.
pub(crate) fn outlived_scope(scope: &Scope, handle: &Handle, ending: Ending) -> Reaction {
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
    let Said {
        ended,
        label,
        certainty,
        cause,
    } = said(ending, what);
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
        .cause(certainty, format!("{} {cause}", definite(what)))
        .related(label, function.place())
        .all_related(handed_up_through(handle, function))
        .holder(handle.place)
        .numbers(numbers_of_handle(&info, &handle.pool))
        .facts(facts(&info, handle.pool.limits.max_connections))
        .helps(declared(ending, name))
        .helps(help(&info, ending))
        .note("it is not known where it is now: in a field, a static, a collection, a channel or another task, or leaked by `mem::forget`")
        .note(how_to_allow(ending, name))
        .note("read more: `leash::explain(Lint::OutlivedScope)`");
    let may_panic = matches!(ending, Ending::Returned { .. });
    finding.report(Audience::of(handle, scope.collector(), may_panic))
}

/// What is said of an ending.
struct Said {
    ended: &'static str,
    label: String,
    certainty: Certainty,
    cause: &'static str,
}

fn said(ending: Ending, what: &str) -> Said {
    match ending {
        Ending::Returned {
            may_hide: false, ..
        } => Said {
            ended: "returned",
            label: format!("this function returned, and its value cannot contain {what}"),
            certainty: Certainty::Certain,
            cause: "was not dropped, and the type of the returned value cannot contain it",
        },
        Ending::Returned { may_hide: true, .. } => Said {
            ended: "returned",
            label: format!("this function returned, and its value does not show {what}"),
            certainty: Certainty::Likely,
            cause: "was not dropped, and the type of the returned value does not show it; a type of your own can hide it in a \
                    `std::sync::Mutex` or behind a channel",
        },
        Ending::CutShort => Said {
            ended: "was cancelled or panicked",
            label: "cancelled in here, or panicked".to_owned(),
            certainty: Certainty::Certain,
            cause: "was not dropped with everything else that the function held",
        },
        #[cfg(feature = "tower")]
        Ending::Request => Said {
            ended: "ended",
            label: "this layer saw the request end, with the body of its response".to_owned(),
            certainty: Certainty::Likely,
            cause: "was not dropped with the handler, the response and its body; a task that the request has spawned may have it",
        },
    }
}

/// How to allow that a handle lives on.
fn how_to_allow(ending: Ending, name: &str) -> String {
    match ending {
        #[cfg(feature = "tower")]
        Ending::Request => {
            "to allow this, make the task's work a function of its own that takes the handle, or declare the handle with `long_lived`".to_owned()
        }
        Ending::Returned { .. } | Ending::CutShort => format!(
            "if the value that {name} returns does contain it, declare that with `#[track(returns_handle)]`; to allow this, \
             `#[track(allow(outlived_scope, reason = \"…\"))]`"
        ),
    }
}

/// How to declare that the handle is meant to live on, where the function has a place to keep it.
fn declared(ending: Ending, name: &str) -> Option<String> {
    let Ending::Returned { may_hide, kept_in } = ending else {
        return None;
    };
    let place = match kept_in {
        Some(argument) => format!("`{argument}`"),
        None if may_hide => "the returned value".to_owned(),
        None => return None,
    };
    Some(format!(
        "if it is meant to live on in {place}, write `#[track(returns_handle)]` on {name}: it then belongs to the caller, and \
         `held_idle` watches whoever keeps it"
    ))
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

fn help(info: &HandleInfo, ending: Ending) -> Vec<String> {
    let end_it = match (info.activity, info.transaction_depth) {
        (Activity::Streaming, _) => {
            "read the stream to its end or drop it before returning; to keep its rows, collect them: `.try_collect::<Vec<_>>().await?`, with `use futures::TryStreamExt`"
        }
        (_, 0) => {
            "let it go out of scope before returning, and keep the pool instead: a `Pool` is cheap to clone"
        }
        (_, _) if is_begun_by_statement(info) => {
            "end its transaction before returning (`COMMIT` or `ROLLBACK`), and let the connection go out of scope"
        }
        (_, _) => {
            "end it where it began, before returning: `tx.commit().await?`, or `tx.rollback().await?`"
        }
    };
    let mut help = vec![end_it.to_owned()];
    if matches!(ending, Ending::Returned { .. } | Ending::CutShort) {
        help.push("or return it, so that the caller owns it".to_owned());
    }
    if info.activity != Activity::Streaming {
        help.push(format!(
            "or, if it is meant to live long, declare why: {LONG_LIVED}"
        ));
    }
    help
}
