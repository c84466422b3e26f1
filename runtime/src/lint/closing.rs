//! `Pool::close` waits, and for what.

use std::sync::Arc;
use std::time::Instant;

use super::Reaction;
use super::describe::{closing_notes, numbers_of, permits};
use super::emit::{Audience, Log};
use super::judge::judge;
use super::places::holders;
use super::unread;
use crate::config::Rules;
use crate::finding::{Certainty, Finding, Lint, Numbers};
use crate::handle::Handle;
use crate::measure::units::{count, short};
use crate::pool_state::PoolState;
use crate::pool_state::closing::Closing;

/// The call `closing` has waited for longer than the limit.
pub(crate) fn close_blocked(
    rules: &Rules,
    pool: &PoolState,
    closing: Closing,
    claims: &[Arc<Handle>],
    now: Instant,
) {
    let name = pool.name();
    let function = closing.place.function;
    let Some(level) = judge(rules, Lint::CloseBlocked, function, Some(&name)) else {
        return;
    };
    let time = now.saturating_duration_since(closing.since);
    let waited = short(time);
    let (held, returning) = (pool.held(), pool.permits.returning());
    let reads = |claim: &Arc<Handle>| claim.reads_on(now).or_else(|| claim.runs_on());
    let unread = claims.iter().filter(|_| held == 0).find_map(reads);
    let (certainty, cause) = match &unread {
        Some(unread) => (Certainty::Likely, unread::cause(unread)),
        None if held + returning > 0 => (Certainty::Certain, cause(held, returning)),
        None => (Certainty::Unknown, cause(held, returning)),
    };
    let finding = Finding::of(Lint::CloseBlocked, level, closing.place)
        .title(format!(
            "pool {name} has been closing for {waited} and waits for {}",
            count(held + returning, "handle")
        ))
        .label("waits here")
        .pool(&name)
        .cause(certainty, cause)
        .all_related(unread.as_ref().and_then(unread::place))
        .all_related(holders(claims))
        .holder_if_any(claims.iter().find(|it| it.is_held()).map(|it| it.place))
        .waiter(closing.place)
        .numbers(Numbers {
            waited: Some(time),
            ..numbers_of(pool)
        })
        .fact("waited", waited)
        .facts([permits(pool)])
        .help("end the tasks that hold the handles, and await them, before `pool.close().await`")
        .help("in a long-lived task, stop when the pool closes: `pool.close_event().do_until(work).await`")
        .notes(closing_notes(Lint::CloseBlocked, function, Some(pool)));
    let _: Reaction = finding.report(Audience {
        span: &closing.span,
        collector: closing.collector,
        scope: None,
        may_panic: false,
        log: Log::Full,
    });
}

fn cause(held: u64, returning: u64) -> String {
    match (held, returning) {
        (0, 0) => "no known handle is alive: plain sqlx may hold a connection, or the server does not answer while a connection is closed".to_owned(),
        (0, 1) => "1 connection is being returned: your `after_release` hook may take long, or the server does not answer".to_owned(),
        (0, returning) => format!("{returning} connections are being returned: your `after_release` hook may take long, or the server does not answer"),
        (1, _) => "`close` waits until every permit is returned, and 1 is still held".to_owned(),
        (held, _) => format!("`close` waits until every permit is returned, and {held} are still held"),
    }
}
