//! An acquire timed out: what holds the permits, and why none was free.

use std::sync::Arc;
use std::time::{Duration, Instant};

mod diagnose;
mod full_server;
mod hoarder;
mod holders;
mod server;

use super::Reaction;
use super::describe::{closing_notes, numbers_of, taker};
use super::emit::{Audience, Log};
use super::judge::judge_handle;
use crate::config;
use crate::finding::{Finding, Lint, Numbers, Related, Verdict};
use crate::handle::Handle;
use crate::measure::units::short;
use crate::pool_state::episode::{Diagnosis, Novelty};
use crate::pool_state::registry;
use diagnose::{Stage, diagnose};
use full_server::Server;
pub(crate) use full_server::server_is_full;

const WAITED: &str = "waited here";

/// A deadlock does not pass by itself: it is told after this time.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Why `waiter` has no permit yet, where the evidence of this moment shows it. Of a wait that is not long, a deadlock alone is told.
pub(crate) fn diagnosis_so_far(waiter: &Handle, now: Instant) -> Option<Diagnosis> {
    let time = waiter.has_waited(now);
    if time < A_MOMENT {
        return None;
    }
    let pool = registry::find(waiter.pool.id())?;
    let diagnosis = diagnose(waiter, &*pool, Stage::SoFar, now);
    let is_told = match diagnosis.verdict {
        Verdict::Deadlock => true,
        Verdict::Unknown => false,
        _ => time >= waiter.pool.limits.long_wait(),
    };
    is_told.then_some(diagnosis)
}

/// No permit was granted to `waiter` in time; it still counts as waiting. Where the lint is at deny, the acquire must panic.
pub(crate) fn pool_timeout(waiter: &Handle) -> Reaction {
    let (Some(level), Some(pool)) = (
        judge_handle(&config::rules(), Lint::PoolTimeout, waiter),
        registry::find(waiter.pool.id()),
    ) else {
        return Reaction::Go;
    };
    let now = Instant::now();
    let state = &waiter.pool;
    let diagnosis = match state.episodes.shared(waiter.asked(), now) {
        Some(diagnosis) => diagnosis,
        None => Arc::new(diagnose(waiter, &*pool, Stage::TimedOut, now)),
    };
    let is_told = diagnosis.server_is_full
        && Server::of(&pool.endpoint()).is_reported_for_another(state.id());
    let log = match state.episodes.timed_out(&diagnosis, state.granted(), now) {
        Novelty::First | Novelty::Changed if is_told => Log::Quiet,
        Novelty::First => Log::Full,
        Novelty::Changed => Log::Line,
        Novelty::Same => Log::Quiet,
    };
    let (name, has_waited) = (state.name(), waiter.has_waited(now));
    let time = short(has_waited);
    let culprit = diagnosis.culprit.as_ref();
    let primary = culprit.map_or(waiter.place, |(place, _)| *place);
    let finding = Finding::of(Lint::PoolTimeout, level, primary)
        .title(format!(
            "{} waited {time} for a connection of pool {name} and got none",
            taker(waiter.place)
        ))
        .label(culprit.map_or(WAITED, |(_, label)| label))
        .pool(&name)
        .verdict(diagnosis.verdict)
        .cause(diagnosis.certainty, &*diagnosis.cause)
        .all_related(culprit.map(|_| Related::new(WAITED, waiter.place)))
        .all_related(diagnosis.related.iter().cloned())
        .holder_if_any(diagnosis.holder)
        .waiter(waiter.place)
        .numbers(Numbers {
            waited: Some(has_waited),
            ..numbers_of(state)
        })
        .fact("waited", time)
        .facts(diagnosis.facts.iter().cloned())
        .helps(diagnosis.help.iter().cloned())
        .notes(closing_notes(
            Lint::PoolTimeout,
            waiter.place.function,
            Some(state),
        ));
    let scope = waiter.scope();
    let collector = scope.as_ref().and_then(|scope| scope.collector());
    finding.report(Audience {
        log,
        ..Audience::of(waiter, collector, true)
    })
}
