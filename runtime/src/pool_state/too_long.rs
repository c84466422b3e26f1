//! The longest statement of a pool, if it took longer than an acquire waits.

use std::sync::Mutex;
use std::time::Duration;

use crate::doctor::Statement;
use crate::site::tally::Tally;
use crate::source::place::Place;
use crate::sync;

/// The longest statement that took longer than `acquire_timeout`.
#[derive(Debug, Default)]
pub(crate) struct TooLong(Mutex<Option<(Duration, &'static Tally)>>);

impl TooLong {
    /// Keeps the statement if it is the longest so far.
    #[cold]
    pub(super) fn note(&self, tally: &'static Tally, time: Duration) {
        let mut longest = sync::lock(&self.0);
        if longest.is_none_or(|(longest, _)| longest < time) {
            *longest = Some((time, tally));
        }
    }

    pub(crate) fn read(&self) -> Option<Statement> {
        let (time, tally) = (*sync::lock(&self.0))?;
        let place = tally.place();
        Some(Statement {
            summary: tally.summary.clone(),
            place: place.map(place_of),
            time,
        })
    }
}

fn place_of(place: Place) -> String {
    format!("{}:{}:{}", place.file, place.line, place.column)
}
