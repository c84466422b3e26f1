//! Whether a pool's connections are opened and closed all the time: pure arithmetic over samples of its counters.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::cause::Cause;
use crate::snapshot::ClosedBy;

/// The least time over which a rate is taken.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// A churn has stopped when no window has exceeded the limit for this time. Connections of one age are replaced together, so
/// that windows without a single connect belong to a churn as well.
const STOPPED_AFTER: Duration = Duration::from_mins(2);

/// The counters of a pool at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    /// Connections opened so far.
    pub(super) opened: u64,
    /// Connections closed so far, by cause.
    pub(super) closed: ClosedBy,
    /// Detached connections, which are among those that the program closed.
    pub(super) detached: u64,
    /// Connections that are open or being opened now.
    pub(super) size: u64,
}

/// What the pool's options allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// The limit of the lint, in connections a second.
    pub(super) limit: u32,
    pub(super) max_connections: u32,
    pub(super) min_connections: u32,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
}

/// What was counted between two samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) over: Duration,
    pub(super) opened: u64,
    pub(super) closed: ClosedBy,
    pub(super) detached: u64,
}

/// The last samples of one pool, and the churn that goes on.
#[derive(Debug, Default)]
pub(crate) struct Turnover {
    /// The first is the newest that is a window old, where there is one.
    samples: VecDeque<Sample>,
    episode: Option<Episode>,
    /// The pool itself can churn while nobody uses it.
    can_churn_unused: bool,
}

/// A time in which connections are replaced faster than the limit.
#[derive(Debug)]
struct Episode {
    began: Sample,
    /// The last window that exceeded the limit ended here.
    last: Instant,
    /// The largest number of connections that may have been open at once.
    peak: u64,
    told: Vec<Cause>,
}

/// What a sample shows.
#[derive(Debug)]
pub(super) enum Shown {
    /// Nothing to report.
    Nothing,
    /// A churn that was not reported for this cause.
    Churn(Cause, Change),
    /// A reported churn has stopped.
    Stopped,
}

impl Turnover {
    /// Whether further samples are needed, also while the pool is not used.
    pub(crate) fn is_on(&self) -> bool {
        let opens = match (self.samples.front(), self.samples.back()) {
            (Some(first), Some(last)) => last.opened > first.opened,
            _ => false,
        };
        opens || self.episode.is_some() || self.can_churn_unused
    }

    /// Adds a sample, and judges the time before it.
    pub(super) fn add(&mut self, sample: Sample, settings: &Settings) -> Shown {
        self.can_churn_unused = can_churn_unused(settings);
        let before = self.samples.back().copied();
        self.samples.push_back(sample);
        while self
            .samples
            .get(1)
            .is_some_and(|next| sample.since(next) >= WINDOW)
        {
            self.samples.pop_front();
        }
        let window = sample.change_since(&self.samples[0]);
        let is_over = window.over >= WINDOW && window.exceeds(settings.limit);
        if is_over && self.episode.is_none() {
            self.episode = Some(self.begin(settings));
        }
        let Some(episode) = &mut self.episode else {
            return Shown::Nothing;
        };
        if let Some(before) = before {
            episode.peak = episode.peak.max(most_open(&before, &sample, settings));
        }
        if is_over {
            episode.last = sample.at;
            let cause = window.main_cause();
            if let Some(change) = episode.tells(cause, &sample, settings) {
                let is_first = episode.told.is_empty();
                episode.told.push(cause);
                return Shown::Churn(cause, if is_first { change } else { window });
            }
        }
        if episode.is_over(&sample, settings) {
            let was_told = !episode.told.is_empty();
            self.episode = None;
            if was_told {
                return Shown::Stopped;
            }
        }
        Shown::Nothing
    }

    /// An episode that began with the present window.
    fn begin(&self, settings: &Settings) -> Episode {
        let samples = || self.samples.iter();
        let peaks = samples()
            .zip(samples().skip(1))
            .map(|(before, after)| most_open(before, after, settings));
        Episode {
            began: self.samples[0],
            last: self.samples[0].at,
            peak: peaks.max().unwrap_or_default(),
            told: Vec::new(),
        }
    }
}

/// The number of connections that were open at once between two samples, as far as the samples show it. Those that were opened
/// in between may have been open together, and closed again.
fn most_open(before: &Sample, after: &Sample, settings: &Settings) -> u64 {
    let opened = after.opened.saturating_sub(before.opened);
    let together = opened.min(u64::from(settings.max_connections));
    together.max(before.size).max(after.size)
}

impl Episode {
    /// What was counted in it, if it is a churn for this cause and was not reported as one.
    fn tells(&self, cause: Cause, now: &Sample, settings: &Settings) -> Option<Change> {
        let so_far = now.change_since(&self.began);
        let replaced = so_far.opened.min(cause.of(&so_far.closed));
        let tells = !self.told.contains(&cause)
            && can_go_on(cause, self.peak, settings)
            && replaced > cause.rounds() * self.peak
            && (!self.told.is_empty() || so_far.exceeds(settings.limit));
        tells.then_some(so_far)
    }

    /// Whether it has stopped. One that was not reported is over as soon as it is slower than the limit on average.
    fn is_over(&self, now: &Sample, settings: &Settings) -> bool {
        let is_slow = || !now.change_since(&self.began).exceeds(settings.limit);
        now.at.saturating_duration_since(self.last) >= STOPPED_AFTER
            || (self.told.is_empty() && is_slow())
    }
}

/// Whether so many connections, each closed at its time, can exceed the limit for long. Under sqlx's defaults, a hundred
/// connections of one age are replaced within a second, and then not for 30 minutes.
fn can_go_on(cause: Cause, connections: u64, settings: &Settings) -> bool {
    let each_lives = match cause {
        Cause::Lifetime => settings.max_lifetime,
        Cause::IdleTime => settings.idle_timeout,
        _ => None,
    };
    each_lives.is_none_or(|time| is_at_least(connections, settings.limit, time))
}

/// Whether the minimum that the pool keeps, each connection closed at its time, exceeds the limit.
fn can_churn_unused(settings: &Settings) -> bool {
    let times = [settings.max_lifetime, settings.idle_timeout];
    let each_lives = times.into_iter().flatten().min();
    let minimum = u64::from(settings.min_connections);
    minimum > 0 && each_lives.is_some_and(|time| is_at_least(minimum, settings.limit, time))
}

/// Whether `number` in this time is at least `limit` a second.
fn is_at_least(number: u64, limit: u32, over: Duration) -> bool {
    u128::from(number) * 1_000_000_000 >= u128::from(limit) * over.as_nanos()
}

impl Sample {
    fn since(&self, earlier: &Self) -> Duration {
        self.at.saturating_duration_since(earlier.at)
    }

    fn change_since(&self, earlier: &Self) -> Change {
        Change {
            over: self.since(earlier),
            opened: self.opened.saturating_sub(earlier.opened),
            closed: self.closed.with(earlier.closed, u64::saturating_sub),
            detached: self.detached.saturating_sub(earlier.detached),
        }
    }
}

impl Change {
    /// Whether at least `limit` connections a second were opened, and as many closed.
    fn exceeds(&self, limit: u32) -> bool {
        is_at_least(self.opened.min(self.closed.total()), limit, self.over)
    }

    /// Why most of them were closed.
    fn main_cause(&self) -> Cause {
        let of = |cause: &Cause| cause.of(&self.closed);
        // The first of equals: the causes that are known best come first.
        let causes = Cause::ALL.into_iter().rev();
        causes.max_by_key(of).unwrap_or(Cause::Elsewhere)
    }
}

#[cfg(test)]
mod tests;
