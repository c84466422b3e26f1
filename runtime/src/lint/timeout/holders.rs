//! Verdicts about the holders of the permits: they hold them idle, have lent them, or are simply too many.

use std::time::{Duration, Instant};

use super::diagnose::Case;
use super::full_server::Server;
use crate::finding::{Certainty, Verdict};
use crate::handle::Handle;
use crate::lint::describe::{acquires_were, taker};
use crate::lint::spent::Lately;
use crate::measure::units::{count, short};
use crate::pool_state::connect_probe::Answer;
use crate::pool_state::episode::Diagnosis;
use crate::snapshot::Activity;

impl Case<'_> {
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
    pub(super) fn held_for_half_of_the_wait(
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
        let lately = Lately::of(&self.waiter.pool, self.claims, self.now);
        let load = self.load();
        let certainty = if load.needed > float(self.max()) {
            Certainty::Likely
        } else {
            Certainty::Unknown
        };
        let cause = format!(
            "every permit is in use: {} {:.0} connections needed, and there are {}",
            load.words,
            load.needed,
            self.max()
        );
        let mut diagnosis = Diagnosis::new(Verdict::Capacity, certainty, cause);
        if self.granted() > 0 {
            diagnosis = diagnosis
                .fact("served during this wait", self.granted().to_string())
                .fact(
                    "before it in the queue",
                    self.waiter.waiting_before().to_string(),
                );
        }
        let diagnosis = diagnosis
            .fact("acquires per second", format!("{:.1}", load.per_second))
            .fact("mean hold", short(load.mean_hold))
            .fact("connections needed", format!("{:.0}", load.needed))
            .help(lately.shorter_holds())
            .help("or limit how many tasks ask at once: a queue or a `tokio::sync::Semaphore` before the work");
        Some(self.with_refusals(diagnosis))
    }

    /// Adds that the pool could not open all of its connections, if a connect beside this wait failed.
    fn with_refusals(&self, mut diagnosis: Diagnosis) -> Diagnosis {
        let is_open = self.waiter.pool.permits.taken() >= self.max();
        let answer = self.probe().filter(|_| !is_open).map(|probe| probe.answer);
        let address = self.pool.endpoint();
        match answer {
            Some(Answer::Full(error)) => {
                diagnosis.cause +=
                    &format!("; one more is refused, because the server is full: {error}");
                let server = Server::of(&address);
                diagnosis.facts.extend(server.facts());
                diagnosis.help.extend(server.help());
            }
            Some(Answer::Failed(error)) => {
                diagnosis.cause +=
                    &format!("; one more cannot be opened: connecting to {address} fails: {error}");
            }
            Some(Answer::Open | Answer::GivenUp(_) | Answer::Connected) | None => {}
        }
        diagnosis
    }

    /// The load during this wait, and the number of connections that it needs.
    fn load(&self) -> Load {
        let (served, max) = (self.granted(), self.max());
        let before = self.waiter.waiting_before();
        // Others that waited may have timed out a moment ago.
        let unserved = (before + 1).saturating_sub(served);
        let left = self.waiter.pool.permits.waiting().max(unserved);
        let seconds = self.waited.as_secs_f64();
        let asked = float(served + left);
        let per_second = asked / seconds;
        // Holds that have ended show how long one takes; those that run, how long at least.
        let holds = self.waiter.pool.counters.holds.read();
        let mean_hold = holds.mean().max(self.mean_running_hold());
        if served == 0 {
            let words = format!(
                "{per_second:.1} acquires per second × {} held on average =",
                short(mean_hold)
            );
            let needed = (per_second * mean_hold.as_secs_f64()).ceil();
            return Load {
                per_second,
                mean_hold,
                needed,
                words,
            };
        }
        // The permits that were held all the time served nobody. The others served that many, returns included.
        let kept = self
            .held()
            .filter(|claim| claim.hold(self.now).total() >= self.waited);
        let kept = (kept.count() as u64).min(max - 1);
        let needed = float(kept) + (float(max - kept) * asked / float(served)).ceil();
        let words = format!(
            "{} served during this wait, {before} came before this one in the queue, and the queue still had {left}; to serve all of them within {}:",
            acquires_were(served),
            short(self.waited),
        );
        Load {
            per_second,
            mean_hold,
            needed,
            words,
        }
    }

    /// How long the permits that are held now have been held on average.
    fn mean_running_hold(&self) -> Duration {
        let held = u32::try_from(self.held().count()).unwrap_or(u32::MAX);
        let total: Duration = self.held().map(|claim| claim.hold(self.now).total()).sum();
        total.checked_div(held).unwrap_or_default()
    }
}

/// The acquires that waited together, and what they need.
struct Load {
    per_second: f64,
    mean_hold: Duration,
    /// The number of connections.
    needed: f64,
    /// How `needed` follows from what was seen.
    words: String,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a number of acquires or connections"
)]
fn float(number: u64) -> f64 {
    number as f64
}

pub(super) fn have(number: usize) -> &'static str {
    if number == 1 { "has" } else { "have" }
}
