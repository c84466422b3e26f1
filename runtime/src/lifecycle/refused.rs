//! Judges what SQLite has refused because the database is locked. sqlx's error goes on to the caller as it is.

use std::sync::Arc;
use std::time::Duration;

use super::startup;
use crate::handle::Handle;
use crate::lint::{self, Reaction, Refused};
use crate::scope::context;
use crate::site::{self, Site};
use crate::source::place::Place;

/// Called when `refused` has failed after `time`, once all of it is recorded.
///
/// # Panics
///
/// At the call site, where `database_locked` is at deny.
#[cold]
pub(crate) fn judge(
    handle: Option<&Arc<Handle>>,
    refused: Refused,
    time: Option<Duration>,
    error: &sqlx::Error,
) {
    if startup::is_off() {
        return;
    }
    let known = match refused {
        Refused::Statement(tally) => tally.place(),
        Refused::Begin | Refused::Commit => None,
    };
    // A stream may be polled at another call site than the one that made it.
    let site = context::site().filter(|site| known.is_none_or(|it| it.is_same(site.place())));
    let place = known
        .or_else(|| site.map(Site::place))
        .or_else(|| context::function().map(|function| function.place()))
        .or_else(|| handle.map(|handle| handle.place))
        .unwrap_or(Place::UNKNOWN);
    let reaction = lint::database_locked(handle, refused, place, time, error);
    if let Reaction::Panic(message) = reaction {
        site::panic_at(site, place.function, &message);
    }
}
