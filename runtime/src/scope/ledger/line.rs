//! The sums of a call site that was called more than once.

use std::time::{Duration, Instant};

use super::arguments::Arguments;
use super::{Around, Call, Database};
use crate::scope::common::Common;
use crate::site::Site;
use crate::site::tally::Tally;

/// The calls of one site with one summary on one pool, or of one text without a site.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) tally: &'static Tally,
    pool: u64,
    /// The call site, where a panic can point at it.
    pub(crate) site: Option<&'static Site>,
    pub(crate) database: Database,
    pub(crate) calls: u64,
    pub(crate) time: Duration,
    pub(crate) fastest: Duration,
    pub(crate) rows: u64,
    pub(crate) affected: u64,
    pub(crate) began: Instant,
    pub(super) last_began: Instant,
    pub(crate) ended: Instant,
    /// At least so many calls overlapped another one, but for the first of them.
    pub(crate) overlapping: u64,
    /// When one of the calls had ended first.
    first_ended: Instant,
    pub(crate) permits: u64,
    pub(crate) waited: Duration,
    pub(crate) arguments: Arguments,
    pub(crate) common: Common,
}

impl Line {
    pub(super) fn new(call: &Call, around: &Around<'_>) -> Self {
        Self {
            tally: call.tally.of_a_text(),
            pool: call.pool,
            site: around.site,
            database: (around.database)(),
            calls: 0,
            time: Duration::ZERO,
            fastest: Duration::MAX,
            rows: 0,
            affected: 0,
            began: call.began,
            last_began: call.began,
            ended: call.began,
            overlapping: 0,
            first_ended: call.ended,
            permits: 0,
            waited: Duration::ZERO,
            arguments: Arguments::default(),
            common: Common::of(around.scope.path()),
        }
    }

    /// That of its calls.
    pub(super) fn key(&self) -> (u64, u64) {
        (self.tally.line(), self.pool)
    }

    /// Whether one call began before another had ended.
    pub(crate) fn overlaps(&self) -> bool {
        self.overlapping > 0
    }

    pub(super) fn add(&mut self, call: &Call) {
        if self.calls > 0 && call.began < self.first_ended {
            // All calls so far ended after this one began.
            self.overlapping = self.calls;
        } else if call.began < self.ended {
            self.overlapping += 1;
        }
        self.calls += 1;
        self.time += call.time;
        self.fastest = self.fastest.min(call.time);
        self.rows += call.rows;
        self.affected += call.affected;
        self.began = self.began.min(call.began);
        self.last_began = self.last_began.max(call.began);
        self.ended = self.ended.max(call.ended);
        self.first_ended = self.first_ended.min(call.ended);
        if let Some(waited) = call.waited {
            self.permits += 1;
            self.waited += waited;
        }
        self.arguments.note(call.arguments);
    }

    /// The mean time from one call's begin to the next one's.
    pub(crate) fn mean_distance(&self) -> Duration {
        let steps = u32::try_from(self.calls - 1).unwrap_or(u32::MAX).max(1);
        self.last_began.saturating_duration_since(self.began) / steps
    }
}
