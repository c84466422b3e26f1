//! What a pool's users need of it.

use std::time::Duration;

use super::share;

/// What the users of one pool needed of it, as far as was seen: facts from which its size follows.
///
/// No lint judges them. Where most of the time that permits are held is [idle in hand](Self::idle_share), a shorter hold
/// helps more than a larger pool.
///
/// What these numbers cannot know: the permits that plain sqlx takes; what would be asked for if the pool had served its
/// users faster; and the time that a permit needs on its way out and back, in which sqlx checks the connection. So a pool
/// of exactly the size that is [needed](Self::needed) makes some acquires wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DemandStats {
    /// The time that the counts and times here cover: since the pool was made; after [`since`](super::Snapshot::since),
    /// the time between the two snapshots.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "over_ms", serialize_with = "crate::millis::serialize")
    )]
    pub over: Duration,
    /// Acquires begun, whatever became of them: they were granted a permit, have failed or were given up, or still wait.
    /// An acquire that the program repeats counts each time.
    pub asked: u64,
    /// Acquires that were granted a permit.
    pub granted: u64,
    /// Time in which handles used the database, summed over the handles that have ended and those that live.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "busy_ms", serialize_with = "crate::millis::serialize")
    )]
    pub busy: Duration,
    /// The same for the time in which handles were held and did not use the database: they were idle in hand. The wait
    /// of a task that asks for a second permit is such a time.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "idle_ms", serialize_with = "crate::millis::serialize")
    )]
    pub idle: Duration,
    /// The same for the time in which plain sqlx had the connections. Their use is not seen then.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "lent_ms", serialize_with = "crate::millis::serialize")
    )]
    pub lent: Duration,
    /// The time for which handles were held that are meant to live long. It is not part of the three times above.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "reserved_ms", serialize_with = "crate::millis::serialize")
    )]
    pub reserved: Duration,
    /// The largest number of permits that were held at once since the pool was made, exactly. A permit that is on its way
    /// back no longer counts.
    pub most_held: u64,
    /// Tn: the largest number of tasks since the pool was made that were seen to hold or wait for permits at once.
    ///
    /// A task that only sends single statements to the pool does not count: it holds nothing while it waits. Tracked
    /// functions that hold or wait beside each other in one task, as in a `join!`, count as so many tasks. Tasks are
    /// counted when more permits are held than ever before, when a task takes a second permit, when an acquire times out,
    /// when a snapshot is taken, and once a second. Between these times there may have been more.
    pub tasks: u64,
    /// Cm: the largest number of permits since the pool was made that one task was seen to need at once: those that it
    /// held, and the one that it asked for. Only tracked functions show which task holds a permit.
    pub per_task: u64,
}

impl DemandStats {
    /// The time for which permits were held.
    pub fn held(&self) -> Duration {
        self.used() + self.reserved
    }

    /// The time for which permits were held by handles that are not meant to live long.
    pub(crate) fn used(&self) -> Duration {
        self.busy + self.idle + self.lent
    }

    /// How many acquires began in a second.
    pub fn asked_per_second(&self) -> f64 {
        per_second(self.asked, self.over)
    }

    /// How long a permit was held on average. Handles that are meant to live long do not count.
    ///
    /// Of an interval, the part counts that lies in it.
    pub fn mean_hold(&self) -> Duration {
        let used = self.used().as_nanos();
        // Permits that were granted before an interval are held in it as well.
        let at_once = used.div_ceil(self.over.as_nanos().max(1));
        let holds = u128::from(self.granted).max(at_once).max(1);
        Duration::from_nanos(u64::try_from(used / holds).unwrap_or(u64::MAX))
    }

    /// How many permits were held on average.
    pub fn held_on_average(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a number of permits")]
        let most = self.most_held as f64;
        // Snapshots are not taken at one moment for all handles, so a sum may be off by what has just ended.
        share(self.held(), self.over).min(most)
    }

    /// How many permits were needed on average: acquires a second × mean hold.
    ///
    /// This is what was [held](Self::held_on_average), and what the acquires that got no permit would have held.
    pub fn needed(&self) -> f64 {
        let unserved = per_second(self.asked.saturating_sub(self.granted), self.over);
        self.held_on_average() + unserved * self.mean_hold().as_secs_f64()
    }

    /// The smallest size with which the pool is free of deadlock, as far as was seen: Tn × (Cm − 1) + 1.
    ///
    /// With that many permits one task always has all that it needs, and goes on. It says nothing about waits.
    pub fn deadlock_free_size(&self) -> u64 {
        let kept = self.per_task.saturating_sub(1);
        self.tasks.saturating_mul(kept).saturating_add(1)
    }

    /// The share (0.0 to 1.0) of the held time in which the handles used the database. Handles that are meant to live
    /// long do not count.
    pub fn busy_share(&self) -> f64 {
        share(self.busy, self.used())
    }

    /// The share (0.0 to 1.0) of the held time in which the handles were held and did not use the database. Handles that
    /// are meant to live long do not count.
    pub fn idle_share(&self) -> f64 {
        share(self.idle, self.used())
    }

    /// The share (0.0 to 1.0) of the held time in which plain sqlx had the connections. Handles that are meant to live
    /// long do not count.
    pub fn lent_share(&self) -> f64 {
        share(self.lent, self.used())
    }

    /// What was counted after `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            over: self.over.saturating_sub(earlier.over),
            asked: self.asked.saturating_sub(earlier.asked),
            granted: self.granted.saturating_sub(earlier.granted),
            busy: self.busy.saturating_sub(earlier.busy),
            idle: self.idle.saturating_sub(earlier.idle),
            lent: self.lent.saturating_sub(earlier.lent),
            reserved: self.reserved.saturating_sub(earlier.reserved),
            ..self
        }
    }
}

fn per_second(number: u64, over: Duration) -> f64 {
    if over.is_zero() {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a number of acquires")]
    let number = number as f64;
    number / over.as_secs_f64()
}
