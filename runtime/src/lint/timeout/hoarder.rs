//! The verdict about permits that are held and not used.

use std::time::Duration;

use super::diagnose::Case;
use super::holders::have;
use crate::finding::{Certainty, Verdict};
use crate::handle::{Handle, LISTENER};
use crate::lint::advice::{LONG_LIVED, READ_ALL};
use crate::lint::describe::taker;
use crate::lint::own_wait::OwnWait;
use crate::measure::units::{count, short};
use crate::pool_state::episode::Diagnosis;
use crate::snapshot::Activity;

/// A permit that was held idle through half of the wait or longer.
struct Idle<'a> {
    holder: &'a Handle,
    quiet: Duration,
    /// The acquire for which the holder may wait.
    own_wait: Option<OwnWait<'a>>,
}

impl Case<'_> {
    /// Half of the permits or more were held idle through half of this wait or longer. A holder that waits for a permit
    /// itself is no hoarder.
    pub(super) fn hoarder(&self) -> Option<Diagnosis> {
        if !self.is_full() {
            return None;
        }
        let idle: Vec<_> = self.idle().collect();
        if (idle.len() as u64) * 2 < self.max() {
            return None;
        }
        let (wait, hoard): (Vec<_>, Vec<_>) = idle.into_iter().partition(Idle::waits);
        let Some(first) = hoard.first() else {
            return self.nested(&wait);
        };
        let least = hoard.iter().map(|idle| idle.quiet).min()?;
        let same = hoard
            .iter()
            .filter(|idle| idle.holder.place.is_same(first.holder.place));
        let is_certain = hoard.len() as u64 == self.max() && hoard.iter().all(Idle::is_certain);
        let certainty = if is_certain {
            Certainty::Certain
        } else {
            Certainty::Likely
        };
        let mut cause = format!(
            "{} of {} {} been held idle for {} or longer, {} of them by {}",
            hoard.len(),
            count(self.max(), "permit"),
            have(hoard.len()),
            short(least),
            same.count(),
            taker(first.holder.place)
        );
        if !wait.is_empty() {
            let permits = count(wait.len() as u64, "more permit");
            cause += &format!(", and functions that wait for a permit themselves hold {permits}");
        }
        if let Some(own_wait) = &first.own_wait {
            cause += &format!("; {}", own_wait.words());
        }
        let mut diagnosis = Diagnosis::new(Verdict::Hoarder, certainty, cause)
            .fact("idle holders", hoard.len().to_string());
        diagnosis.holder = Some(first.holder.place);
        let mut helps = first.helps(&hoard);
        if let Some(own_wait) = wait.first().and_then(|idle| idle.own_wait.as_ref()) {
            helps.extend(own_wait.helps());
        }
        Some(helps.into_iter().fold(diagnosis, Diagnosis::help))
    }

    /// All idle holders wait for a permit themselves: they need two at once.
    fn nested(&self, wait: &[Idle<'_>]) -> Option<Diagnosis> {
        let first = wait.first()?;
        let own_wait = first.own_wait.as_ref()?;
        let holders = match wait.len() {
            1 => "a function that waits".to_owned(),
            _ => "functions that wait".to_owned(),
        };
        let cause = format!(
            "{} of {} {} held by {holders} for a further one: in {}, {}",
            wait.len(),
            count(self.max(), "permit"),
            if wait.len() == 1 { "is" } else { "are" },
            taker(first.holder.place),
            own_wait.words()
        );
        let diagnosis = Diagnosis::new(Verdict::Capacity, Certainty::Likely, cause)
            .fact("holders that wait", wait.len().to_string());
        let helps = own_wait.helps();
        Some(helps.into_iter().fold(diagnosis, Diagnosis::help))
    }

    fn idle(&self) -> impl Iterator<Item = Idle<'_>> {
        self.held_for_half_of_the_wait(|claim| claim.quiet_since(self.now))
            .map(|(holder, quiet)| Idle {
                holder,
                quiet,
                own_wait: OwnWait::of(holder, self.waiting),
            })
    }
}

impl Idle<'_> {
    /// Whether nothing that is not seen may use it, or wait for a permit on its behalf.
    fn is_certain(&self) -> bool {
        self.own_wait.is_none() && !self.holder.may_be_lent()
    }

    /// Whether its holder waits for a permit itself.
    fn waits(&self) -> bool {
        self.own_wait.as_ref().is_some_and(OwnWait::is_known)
    }

    /// How the code that holds it can release it, or do without the second permit. `all` are the idle holders.
    fn helps(&self, all: &[Idle<'_>]) -> Vec<String> {
        let release = release(self.holder, all);
        let mut helps = match &self.own_wait {
            Some(own_wait) => {
                let instead = own_wait.helps();
                let if_not = format!("if not, {release}");
                instead.into_iter().chain([if_not]).collect()
            }
            None => vec![release],
        };
        if self.may_wait_for_a_lock() {
            helps.push(format!(
                "or, if {} waits for a lock (`Mutex`, `OnceCell`) whose owner waits for this pool: lock before the connection is taken, everywhere",
                taker(self.holder.place)
            ));
        }
        helps
    }

    /// Whether its function awaits something while it holds the connection, one thing at a time.
    fn may_wait_for_a_lock(&self) -> bool {
        let holder = self.holder;
        let scope = holder.scope();
        !holder.is_reserved()
            && holder.glance().activity == Activity::Idle
            && scope.is_some_and(|scope| scope.function().is_straight())
    }
}

/// How the function that holds a connection idle can release it.
fn release(holder: &Handle, all: &[Idle<'_>]) -> String {
    let taker = taker(holder.place);
    if holder.reserved_for() == Some(LISTENER) {
        let listeners = all
            .iter()
            .filter(|idle| idle.holder.reserved_for() == Some(LISTENER));
        return match listeners.count() {
            1 => "give the listener a connection of its own: `PgListener::connect(url).await?`".to_owned(),
            _ => "let one `PgListener` in a task of its own send each notification to a `tokio::sync::broadcast` channel, to which \
                  each client subscribes"
                .to_owned(),
        };
    }
    if let Some(reason) = holder.reserved_for() {
        return format!(
            "give what is meant to live long ({reason}) a pool of its own, so that it takes no permit from the rest"
        );
    }
    if holder.glance().activity == Activity::Streaming {
        format!("read the rows in {taker} before the slow work: {READ_ALL}")
    } else if holder.left_in().is_some() {
        format!(
            "{taker} returned its connection, and the value that has it keeps it: return the pool in its place, and acquire a connection for each \
             use; or declare why it is kept: {LONG_LIVED}"
        )
    } else if holder.transaction_depth() > 0 {
        format!("end the transaction in {taker} before its slow work: `tx.commit().await?`")
    } else if holder.open_transaction().is_some() {
        // A statement has begun it.
        format!("end the transaction in {taker} before its slow work: `COMMIT`")
    } else {
        format!("release the connection in {taker} before its slow work: `drop(conn)`")
    }
}
