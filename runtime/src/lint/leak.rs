//! Handles that stay when they should have gone.

use std::sync::Arc;
use std::time::Instant;

use super::describe::{definite, facts, noun};
use super::emit::{Audience, Path};
use super::{Certainty, Finding, Level, Lint, Reaction, Related};
use crate::config;
use crate::handle::Handle;
use crate::scope::Scope;
use crate::snapshot::{Activity, HandleInfo};

/// A scope ended, and `handle` is still alive although nothing that the scope returned can contain it.
///
/// `returned` tells a return from a cancellation or panic.
pub(crate) fn outlived_scope(scope: &Scope, handle: &Arc<Handle>, returned: bool) -> Reaction {
    let function = scope.function();
    let pool = handle.pool.name();
    let level = config::level(Lint::OutlivedScope, Some(function), Some(&pool));
    if level == Level::Allow {
        return Reaction::Go;
    }
    let info = handle.read(Instant::now());
    let what = noun(&info);
    let ended = if returned {
        "returned"
    } else {
        "was cancelled or panicked"
    };
    let taken_by = info
        .site
        .function
        .clone()
        .unwrap_or_else(|| function.name().to_owned());
    let title = if taken_by == function.name() {
        format!(
            "{} {ended} while {what} that it took is still alive",
            function.name()
        )
    } else {
        format!(
            "{} {ended} while {what} that {taken_by} took and handed up is still alive",
            function.name()
        )
    };

    // The last of its way is this scope itself.
    let way = handle.way();
    let passed = way
        .iter()
        .take(way.len().saturating_sub(1))
        .filter(|passed| passed.name() != function.name());
    let mut related = vec![Related {
        label: if returned {
            format!("returned from here, and what it returned cannot contain {what}")
        } else {
            "given up in here".to_owned()
        },
        site: function.place().to_call_site(),
    }];
    related.extend(passed.map(|passed| Related {
        label: "handed up through here".to_owned(),
        site: passed.place().to_call_site(),
    }));

    let finding = Finding {
        lint: Lint::OutlivedScope,
        level,
        certainty: Certainty::Certain,
        cause: if returned {
            format!("{} was not dropped, and the type of the returned value cannot contain it", definite(what))
        } else {
            format!("{} was not dropped with everything else that the function held", definite(what))
        },
        title,
        verdict: None,
        primary: info.site.clone(),
        label: format!("taken here, in {taken_by}"),
        function: Some(function.name().to_owned()),
        pool: Some(info.pool.clone()),
        related,
        facts: facts(&info, handle.pool.limits.max_connections),
        help: help(&info),
        notes: vec![
            "where it is now is not known: a field, a static, a collection, a channel, another task, or forgotten".to_owned(),
            format!(
                "if what {} returns does contain it, say so with `#[track(returns_handle)]`; to allow this, \
                 `#[track(allow(outlived_scope, reason = \"…\"))]`",
                function.name()
            ),
            "read more: `leash::explain(Lint::OutlivedScope)`".to_owned(),
        ],
    };
    let path = if returned { Path::Running } else { Path::Aside };
    finding.tell(Audience::of(handle, scope.collector(), path))
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
        "or return it, so that the caller sees what it holds".to_owned(),
    ];
    if info.activity != Activity::Streaming {
        help.push("or, if it is meant to live long, say why: `.long_lived(\"…\")`".to_owned());
    }
    help
}
