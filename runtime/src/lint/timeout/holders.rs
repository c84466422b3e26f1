//! Verdicts about those who have the permits: hoarders, plain sqlx, or simply too many.

use std::sync::Arc;
use std::time::Duration;

use super::diagnose::Case;
use crate::finding::{Certainty, Fact, Verdict};
use crate::handle::Handle;
use crate::lint::describe::taker;
use crate::measure::units::{count, short};
use crate::pool_state::counters::Hold;
use crate::pool_state::episode::Diagnosis;
use crate::snapshot::{Activity, HoldStats};

impl Case<'_> {
    /// Somebody had a permit through all of this wait and did nothing with it.
    pub(super) fn hoarder(&self) -> Option<Diagnosis> {
        if !self.is_full() {
            return None;
        }
        let quiet = |claim: &Handle| {
            let since = claim.quiet_since(self.now)?;
            Some(self.now.saturating_duration_since(since))
        };
        let idle: Vec<(&Arc<Handle>, Duration)> = self
            .held()
            .filter_map(|claim| Some((claim, quiet(claim)?)))
            .filter(|(_, quiet)| *quiet >= self.waited / 2)
            .collect();
        if (idle.len() as u64) * 2 < self.max() {
            return None;
        }
        let least = idle.iter().map(|(_, quiet)| *quiet).min()?;
        let (first, _) = *idle.first()?;
        let place = first.place;
        let same = idle
            .iter()
            .filter(|(claim, _)| claim.place.is_same(place))
            .count();
        let cause = format!(
            "{} of {} permits {} hands for {} or longer, {same} of them in {}",
            idle.len(),
            self.max(),
            if idle.len() == 1 {
                "lies idle in its holder's"
            } else {
                "lie idle in their holders'"
            },
            short(least),
            taker(place)
        );
        let certainty = if idle.len() as u64 == self.max() {
            Certainty::Certain
        } else {
            Certainty::Likely
        };
        let mut diagnosis = Diagnosis::new(Verdict::Hoarder, certainty, cause);
        diagnosis
            .facts
            .push(Fact::new("idle holders", idle.len().to_string()));
        let taker = taker(place);
        diagnosis.help = vec![match first.glance().activity {
            Activity::Streaming => format!(
                "read the rows in {taker} before the slow work: `let rows: Vec<_> = stream.try_collect().await?`"
            ),
            _ if first.scope().is_none() && place.function.is_some() => format!(
                "what {taker} took is kept: keep the pool in its place, and take a connection for each use"
            ),
            _ if first.transaction_depth() > 0 => {
                format!("end the transaction in {taker} before its slow work: `tx.commit().await?`")
            }
            _ => format!("give the connection back in {taker} before its slow work: `drop(conn)`"),
        }];
        Some(diagnosis)
    }

    /// Connections were in the hands of plain sqlx through much of this wait: what it did with them is not seen.
    pub(super) fn lent(&self) -> Option<Diagnosis> {
        let lent: Vec<_> = self
            .held()
            .map(|claim| (claim, claim.glance()))
            .filter(|(_, look)| look.activity == Activity::Lent)
            .map(|(claim, look)| (claim, self.now.saturating_duration_since(look.since)))
            .filter(|(_, time)| *time >= self.waited / 2)
            .collect();
        if (lent.len() as u64) * 2 < self.max() {
            return None;
        }
        let least = lent.iter().map(|(_, time)| *time).min()?;
        let taker = taker(lent.first()?.0.place);
        let what = if lent.len() == 1 {
            "is lent as a plain connection"
        } else {
            "are lent as plain connections"
        };
        let cause = format!(
            "{} of {} {what} for {} or longer, the first of them by {taker}: what is done there is not seen",
            lent.len(),
            count(self.max(), "permit"),
            short(least),
        );
        let mut diagnosis = Diagnosis::new(Verdict::Unknown, Certainty::Unknown, cause);
        diagnosis.help = vec![format!(
            "look at what {taker} waits for while it has the connection: if it is not the database, commit or `drop` it before"
        )];
        Some(diagnosis)
    }

    /// Every permit is used, and there are too few of them.
    pub(super) fn capacity(&self) -> Option<Diagnosis> {
        if !self.is_full() {
            return None;
        }
        let waiting = self
            .claims
            .iter()
            .filter(|claim| claim.is_waiting())
            .count() as u64;
        let held = self.held().count() as u64;
        let counters = &self.waiter.pool.counters;
        let seconds = self.waited.as_secs_f64();
        // What was asked for in this wait: granted since, or still waiting.
        #[expect(clippy::cast_precision_loss, reason = "a rate, told with one decimal")]
        let per_second = (self.granted() + waiting) as f64 / seconds;
        let ages = self.held().map(|claim| claim.hold(self.now).total());
        let running =
            ages.clone().sum::<Duration>() / u32::try_from(held.max(1)).unwrap_or(u32::MAX);
        // Those that have ended tell how long a hold is; those that run, how long at least.
        let mean = counters.holds.read().mean().max(running);
        let needed = (per_second * mean.as_secs_f64()).ceil();
        let cause = format!(
            "every permit is in use: {per_second:.1} acquires per second × {} held on average = {needed:.0} connections needed, and there are {}",
            short(mean),
            self.max()
        );
        #[expect(clippy::cast_precision_loss, reason = "a pool's size")]
        let short_of = needed > self.max() as f64;
        let mut diagnosis = Diagnosis::new(
            Verdict::Capacity,
            if short_of {
                Certainty::Likely
            } else {
                Certainty::Unknown
            },
            cause,
        );
        diagnosis.facts = vec![
            Fact::new("acquires per second", format!("{per_second:.1}")),
            Fact::new("mean hold", short(mean)),
            Fact::new("connections needed", format!("{needed:.0}")),
        ];
        let HoldStats {
            busy, idle, lent, ..
        } = counters.holds.read();
        let holds = Hold { busy, idle, lent };
        diagnosis.help = vec![
            format!(
                "make the holds shorter: of the time held so far, {}",
                holds.split()
            ),
            "look for the slowest statements of the holders: `leash::snapshot().sites`".to_owned(),
            "or ask for fewer at once: a queue or `tokio::sync::Semaphore` before the work"
                .to_owned(),
        ];
        Some(diagnosis)
    }
}
