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
    let ended = if returned { "returned" } else { "was cancelled" };
    let taken_by = info.site.function.clone().unwrap_or_else(|| function.name().to_owned());
    let title = if taken_by == function.name() {
        format!("{} {ended} while {what} that it took is still alive", function.name())
    } else {
        format!("{} {ended} while {what} that {taken_by} took and handed up is still alive", function.name())
    };

    // The last of its way is this scope itself.
    let way = handle.way();
    let passed = way.iter().take(way.len().saturating_sub(1)).filter(|passed| passed.name() != function.name());
    let mut related = vec![Related {
        label: format!("{ended} here, and what it returned cannot contain {what}"),
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
        title,
        primary: info.site.clone(),
        function: Some(function.name().to_owned()),
        pool: Some(info.pool.clone()),
        related,
        facts: facts(&info, handle.pool.max_connections),
        help: help(&info),
        notes: vec![
            "where it is now is not known: it was moved into a field, a static, a collection, a channel or a task, or forgotten"
                .to_owned(),
            format!("if the value that {} returns does contain it, say so: `#[track(returns_handle)]`", function.name()),
            "to allow it: `#[track(allow(outlived_scope, reason = \"…\"))]`; read more: `leash::explain(Lint::OutlivedScope)`"
                .to_owned(),
        ],
    };
    finding.tell(&handle.span, scope.collector(), if returned { Path::Running } else { Path::Aside })
}

/// What a handle is, to a reader.
fn noun(info: &HandleInfo) -> &'static str {
    match (info.activity, info.transaction_depth) {
        (Activity::Streaming, _) => "a row stream",
        (_, 0) => "a connection",
        (_, _) => "a transaction",
    }
}

fn facts(info: &HandleInfo, max_connections: u32) -> Vec<Fact> {
    let mut facts = vec![Fact { name: "held for".to_owned(), value: short(info.age) }];
    let state = match info.activity {
        Activity::Idle => format!("idle for {}", short(info.idle.unwrap_or_default())),
        Activity::Busy => "running a statement".to_owned(),
        Activity::Streaming => format!("streaming, {} read", count(info.stream_rows, "row")),
        Activity::Lent => "lent to plain sqlx".to_owned(),
    };
    facts.push(Fact { name: "state".to_owned(), value: state });
    if info.transaction_depth > 0 {
        facts.push(Fact { name: "open transactions".to_owned(), value: info.transaction_depth.to_string() });
    }
    facts.push(Fact { name: "statements".to_owned(), value: info.statements.to_string() });
    if let Some(last) = info.operations.first() {
        let at = last.site.as_ref().map(|site| format!(" at {site}")).unwrap_or_default();
        facts.push(Fact { name: "last".to_owned(), value: format!("{}{at}, {} ago", last.summary, short(last.age)) });
    }
    facts.push(Fact { name: "permits of the pool".to_owned(), value: format!("1 of {max_connections}") });
    facts
}

fn help(info: &HandleInfo) -> Vec<String> {
    let end_it = match (info.activity, info.transaction_depth) {
        (Activity::Streaming, _) => {
            "read the stream to its end, or drop it before returning; to keep rows, collect them: `.try_collect::<Vec<_>>().await?`"
        }
        (_, 0) => "let the connection go out of scope before returning; keep the `Pool`, which is cheap to clone, not a connection of it",
        (_, _) => "end it where it began: `tx.commit().await?` (or `tx.rollback().await?`) before returning",
    };
    vec![
        end_it.to_owned(),
        "or return it, so that the caller sees what it holds; or, if it is meant to live long, say why: `.long_lived(\"…\")`"
            .to_owned(),
    ]
}
