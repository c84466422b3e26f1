//! Handles that stay when they should have gone.

use std::sync::Arc;
use std::time::Instant;

use super::emit::Path;
use super::{Certainty, Fact, Finding, Level, Lint, Related, Verdict};
use crate::config;
use crate::handle::Handle;
use crate::scope::Scope;
use crate::snapshot::{Activity, HandleInfo};
use crate::units::{count, short};

/// A scope ended, and `handle` is still alive although nothing that the scope returned can contain it.
///
/// `returned` tells a return from a cancellation or panic.
pub(crate) fn outlived_scope(scope: &Scope, handle: &Arc<Handle>, returned: bool) -> Verdict {
    let function = scope.function();
    let pool = handle.pool.name();
    let level = config::level(Lint::OutlivedScope, Some(function), Some(&pool));
    if level == Level::Allow {
        return Verdict::Told;
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
        primary: info.site.clone(),
        function: Some(function.name().to_owned()),
        pool: Some(info.pool.clone()),
        related,
        facts: facts(&info, handle.pool.max_connections),
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
    finding.tell(
        &handle.span,
        scope.collector(),
        if returned { Path::Running } else { Path::Aside },
    )
}

/// What a handle is, to a reader.
fn noun(info: &HandleInfo) -> &'static str {
    match (info.activity, info.transaction_depth) {
        (Activity::Streaming, _) => "a row stream",
        (_, 0) => "a connection",
        (_, _) => "a transaction",
    }
}

fn definite(noun: &str) -> String {
    noun.replacen("a ", "the ", 1)
}

fn facts(info: &HandleInfo, max_connections: u32) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    let mut facts = vec![fact("held for", short(info.age))];
    match info.activity {
        Activity::Idle => facts.push(fact("idle for", short(info.idle.unwrap_or_default()))),
        Activity::Busy => facts.push(fact("now", "running a statement".to_owned())),
        Activity::Streaming => {
            facts.push(fact("streaming,", count(info.stream_rows, "row") + " read"));
        }
        Activity::Lent => facts.push(fact("now", "lent to plain sqlx".to_owned())),
    }
    if info.transaction_depth > 1 {
        facts.push(fact(
            "inside",
            count(u64::from(info.transaction_depth - 1), "savepoint"),
        ));
    }
    facts.push(fact("after", count(info.statements, "statement")));
    if let Some(last) = info.operations.first() {
        let at = last
            .site
            .as_ref()
            .map(|site| format!(" at {site}"))
            .unwrap_or_default();
        facts.push(fact("last", format!("{}{at}", last.summary)));
    }
    facts.push(fact(
        "takes",
        format!("1 of {}", count(u64::from(max_connections), "permit")),
    ));
    facts
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
