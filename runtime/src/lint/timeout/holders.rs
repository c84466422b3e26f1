//! Verdicts about the holders of the permits: they hold them idle, have lent them, or are simply too many.

use std::time::{Duration, Instant};

use super::diagnose::Case;
use crate::finding::{Certainty, Verdict};
use crate::handle::Handle;
use crate::lint::describe::{holds_so_far, taker};
use crate::measure::units::{count, short};
use crate::pool_state::episode::Diagnosis;
use crate::snapshot::Activity;

impl Case<'_> {
    /// Half of the permits or more were held idle through half of this wait or longer.
    pub(super) fn hoarder(&self) -> Option<Diagnosis> {
        if !self.is_full() {
            return None;
        }
        let idle: Vec<_> = self
            .held_for_half_of_the_wait(|claim| claim.quiet_since(self.now))
            .collect();
        if (idle.len() as u64) * 2 < self.max() {
            return None;
        }
        let least = idle.iter().map(|(_, quiet)| *quiet).min()?;
        let (first, _) = *idle.first()?;
        let same = idle
            .iter()
            .filter(|(claim, _)| claim.place.is_same(first.place));
        let certainty = if idle.len() as u64 == self.max() {
            Certainty::Certain
        } else {
            Certainty::Likely
        };
        let cause = format!(
            "{} of {} {} been held idle for {} or longer, {} of them by {}",
            idle.len(),
            count(self.max(), "permit"),
            have(idle.len()),
            short(least),
            same.count(),
            taker(first.place)
        );
        Some(
            Diagnosis::new(Verdict::Hoarder, certainty, cause)
                .fact("idle holders", idle.len().to_string())
                .help(release(first)),
        )
    }

    /// Half of the permits or more were lent to plain sqlx through half of this wait or longer.
    pub(super) fn lent(&self) -> Option<Diagnosis> {
        let lent: Vec<_> = self
            .held_for_half_of_the_wait(|claim| {
                let glance = claim.glance();
                (glance.activity == Activity::Lent).then_some(glance.since)
            })
            .collect();
        if (lent.len() as u64) * 2 < self.max() {
            return None;
        }
        let least = lent.iter().map(|(_, time)| *time).min()?;
        let taker = taker(lent.first()?.0.place);
        let cause = format!(
            "{} of {} {} been lent to plain sqlx for {} or longer, the first one by {taker}; what plain sqlx does with it is not visible",
            lent.len(),
            count(self.max(), "permit"),
            have(lent.len()),
            short(least),
        );
        Some(
            Diagnosis::new(Verdict::Unknown, Certainty::Unknown, cause).help(format!(
                "look at what {taker} waits for while it has the connection: if that is not the database, commit or `drop` it before"
            )),
        )
    }

    /// The handles whose state began, by `since`, before half of this wait, each with the time.
    fn held_for_half_of_the_wait(
        &self,
        since: impl Fn(&Handle) -> Option<Instant>,
    ) -> impl Iterator<Item = (&Handle, Duration)> {
        self.held().filter_map(move |claim| {
            let time = self.now.saturating_duration_since(since(claim)?);
            (time >= self.waited / 2).then_some((&**claim, time))
        })
    }

    /// Every permit is in use, and the load may need more of them.
    pub(super) fn capacity(&self) -> Option<Diagnosis> {
        if !self.is_full() {
            return None;
        }
        let pool = &self.waiter.pool;
        let (holds, _) = holds_so_far(pool, self.claims, self.now);
        let per_second = self.acquires_per_second();
        // Holds that have ended show how long one takes; those that run, how long at least.
        let mean = pool
            .counters
            .holds
            .read()
            .mean()
            .max(self.mean_running_hold());
        let needed = (per_second * mean.as_secs_f64()).ceil();
        #[expect(clippy::cast_precision_loss, reason = "a pool's size")]
        let certainty = if needed > self.max() as f64 {
            Certainty::Likely
        } else {
            Certainty::Unknown
        };
        let mean = short(mean);
        let cause = format!(
            "every permit is in use: {per_second:.1} acquires per second × {mean} held on average = {needed:.0} connections needed, and there are {}",
            self.max()
        );
        Some(
            Diagnosis::new(Verdict::Capacity, certainty, cause)
                .fact("acquires per second", format!("{per_second:.1}"))
                .fact("mean hold", mean)
                .fact("connections needed", format!("{needed:.0}"))
                .help(format!(
                    "hold connections for less time: of the time held so far, {}",
                    holds.split()
                ))
                .help("look for the slowest statements of the holders: `leash::snapshot().sites`")
                .help("or limit how many tasks ask at once: a queue or a `tokio::sync::Semaphore` before the work"),
        )
    }

    /// The rate at which permits were asked for during this wait: those granted since, and those still waited for.
    fn acquires_per_second(&self) -> f64 {
        let waiting = self.claims.iter().filter(|claim| claim.is_waiting());
        let asked = self.granted() + waiting.count() as u64;
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let asked = asked as f64;
        asked / self.waited.as_secs_f64()
    }

    /// How long the permits that are held now have been held on average.
    fn mean_running_hold(&self) -> Duration {
        let held = u32::try_from(self.held().count()).unwrap_or(u32::MAX);
        let total: Duration = self.held().map(|claim| claim.hold(self.now).total()).sum();
        total.checked_div(held).unwrap_or_default()
    }
}

/// How the function that holds a connection idle can release it.
fn release(holder: &Handle) -> String {
    let taker = taker(holder.place);
    if holder.glance().activity == Activity::Streaming {
        format!(
            "read the rows in {taker} before the slow work: `let rows: Vec<_> = stream.try_collect().await?`"
        )
    } else if holder.scope().is_none() && holder.place.function.is_some() {
        format!(
            "{taker} keeps its connection: keep the pool instead, and acquire a connection for each use"
        )
    } else if holder.transaction_depth() > 0 {
        format!("end the transaction in {taker} before its slow work: `tx.commit().await?`")
    } else {
        format!("release the connection in {taker} before its slow work: `drop(conn)`")
    }
}

fn have(number: usize) -> &'static str {
    if number == 1 { "has" } else { "have" }
}
