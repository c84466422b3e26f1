//! Whether each pool serves those who ask, as plain data.

use std::fmt;
use std::time::Duration;

use crate::finding::{Certainty, Verdict};

/// Whether the pools of this process serve those who ask. [`leash::health`](crate::leash::health) returns it.
///
/// `Display` prints one line. With the feature `serde`, it has the shape of Spring Boot's health endpoint:
/// `{"status":"UP","components":{"main":{"status":"UP","details":{…}}}}`. The guide's page `health` lists the details.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The worst state of all pools. An unknown one does not count beside others; without any, it is unknown.
    pub status: HealthStatus,
    /// Why no pool has a state, if none has.
    pub reason: Option<String>,
    /// The pools that are alive, in the order in which they were made. A pool that was dropped is none.
    pub components: Vec<PoolHealth>,
    strict: bool,
}

/// Whether one pool serves those who ask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolHealth {
    /// The pool's name, with a number behind it where an older pool has the same name.
    pub pool: String,
    /// Its state.
    pub status: HealthStatus,
    /// Time since it is in this state, as far as acquires and earlier checks have shown.
    pub age: Duration,
    /// Why, in words that name no user, no address and no text of a server.
    pub reason: String,
    /// Why no permit is free, as far as the evidence shows it. Of saturated pools only.
    pub verdict: Option<Verdict>,
    /// How sure the verdict is.
    pub certainty: Option<Certainty>,
    /// Permits that are held or returning.
    pub used: u64,
    /// Permits in all.
    pub max_connections: u32,
    /// Acquires that wait.
    pub waiting: u64,
}

/// The state of a pool. The worse one is the greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HealthStatus {
    /// Nothing shows whether it serves: it was never used, or plain sqlx uses it unseen.
    #[default]
    Unknown,
    /// It serves.
    Up,
    /// It has no permit left for those who ask.
    Saturated,
    /// It is closed, or no connection could be made for ten seconds or longer and nothing was served meanwhile.
    Down,
}

impl Health {
    /// Nothing is known, for this reason.
    pub(crate) fn unknown(reason: &str) -> Self {
        Self {
            reason: Some(reason.to_owned()),
            ..Self::default()
        }
    }

    /// Of these pools.
    #[cfg(feature = "track")]
    pub(crate) fn of(components: Vec<PoolHealth>) -> Self {
        let worst = components.iter().map(|pool| pool.status).max();
        match worst {
            Some(status) => Self {
                status,
                components,
                ..Self::default()
            },
            None => Self::unknown("there is no pool"),
        }
    }

    /// The pool of that name.
    pub fn component(&self, pool: &str) -> Option<&PoolHealth> {
        self.components.iter().find(|it| it.pool == pool)
    }

    /// The same, for a check that takes a saturated pool for one that does not serve: [`http_status`](Self::http_status) is then
    /// 503 for it, too.
    #[must_use]
    pub fn strict(self) -> Self {
        Self {
            strict: true,
            ..self
        }
    }

    /// The status with which a readiness check answers: 503 if a pool is down, else 200.
    pub fn http_status(&self) -> u16 {
        let fails = match self.status {
            HealthStatus::Down => true,
            HealthStatus::Saturated => self.strict,
            HealthStatus::Up | HealthStatus::Unknown => false,
        };
        if fails { 503 } else { 200 }
    }
}

impl HealthStatus {
    /// The name in every text: `UP`, `SATURATED`.
    pub const fn name(self) -> &'static str {
        match self {
            HealthStatus::Up => "UP",
            HealthStatus::Saturated => "SATURATED",
            HealthStatus::Down => "DOWN",
            HealthStatus::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)?;
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        for (number, pool) in self.components.iter().enumerate() {
            f.write_str(if number == 0 { ": " } else { "; " })?;
            pool.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for PoolHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name is the program's, and may have a line break in it.
        for character in self.pool.chars() {
            let is_shown = !character.is_control();
            fmt::Write::write_char(f, if is_shown { character } else { '\u{fffd}' })?;
        }
        write!(f, " {} ({})", self.status, self.reason)
    }
}

#[cfg(feature = "serde")]
mod serialised {
    use serde::ser::{Serialize, SerializeMap, Serializer};

    use super::{Health, HealthStatus, PoolHealth};

    struct Components<'h>(&'h [PoolHealth]);
    struct Details<'h>(&'h PoolHealth);
    struct Reason<'h>(&'h str);

    impl Serialize for HealthStatus {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(self.name())
        }
    }

    impl Serialize for Health {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("status", &self.status)?;
            map.serialize_entry("components", &Components(&self.components))?;
            if let Some(reason) = &self.reason {
                map.serialize_entry("details", &Reason(reason))?;
            }
            map.end()
        }
    }

    impl Serialize for Reason<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry("reason", self.0)?;
            map.end()
        }
    }

    impl Serialize for Components<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|pool| (&pool.pool, pool)))
        }
    }

    impl Serialize for PoolHealth {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("status", &self.status)?;
            map.serialize_entry("details", &Details(self))?;
            map.end()
        }
    }

    impl Serialize for Details<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let pool = self.0;
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("reason", &pool.reason)?;
            map.serialize_entry("age_seconds", &pool.age.as_secs_f64())?;
            if let Some(verdict) = &pool.verdict {
                map.serialize_entry("verdict", verdict)?;
            }
            if let Some(certainty) = &pool.certainty {
                map.serialize_entry("certainty", certainty)?;
            }
            map.serialize_entry("used", &pool.used)?;
            map.serialize_entry("max_connections", &pool.max_connections)?;
            map.serialize_entry("waiting", &pool.waiting)?;
            map.end()
        }
    }
}

#[cfg(all(test, feature = "track"))]
mod tests {
    use super::*;

    fn pool(name: &str, status: HealthStatus) -> PoolHealth {
        PoolHealth {
            pool: name.to_owned(),
            status,
            age: Duration::from_millis(1500),
            reason: "2 of 10 permits taken, 3 acquires wait: hoarder, likely".to_owned(),
            verdict: Some(Verdict::Hoarder),
            certainty: Some(Certainty::Likely),
            used: 2,
            max_connections: 10,
            waiting: 3,
        }
    }

    fn of(states: &[HealthStatus]) -> Health {
        let mut number = 0;
        let pools = states.iter().map(|status| {
            number += 1;
            pool(&format!("pool {number}"), *status)
        });
        Health::of(pools.collect())
    }

    #[test]
    fn the_worst_pool_counts_and_an_unknown_one_does_not() {
        use HealthStatus::{Down, Saturated, Unknown, Up};
        for (states, status, loose, strict) in [
            (&[][..], Unknown, 200, 200),
            (&[Unknown], Unknown, 200, 200),
            (&[Unknown, Up], Up, 200, 200),
            (&[Saturated, Up], Saturated, 200, 503),
            (&[Up, Down, Saturated], Down, 503, 503),
        ] {
            let health = of(states);
            assert_eq!(health.status, status, "{health}");
            assert_eq!(health.http_status(), loose, "{health}");
            assert_eq!(health.strict().http_status(), strict);
        }
    }

    #[test]
    fn it_is_one_line() {
        let two = Health::of(vec![
            pool("a\nb", HealthStatus::Saturated),
            pool("reports", HealthStatus::Up),
        ]);
        assert_eq!(
            two.to_string(),
            "SATURATED: a\u{fffd}b SATURATED (2 of 10 permits taken, 3 acquires wait: hoarder, likely); \
             reports UP (2 of 10 permits taken, 3 acquires wait: hoarder, likely)"
        );
        assert_eq!(of(&[]).to_string(), "UNKNOWN: there is no pool");
        assert_eq!(two.component("reports").unwrap().status, HealthStatus::Up);
    }

    #[cfg(all(feature = "serde", feature = "board"))]
    #[test]
    fn it_has_the_shape_of_spring_boot() {
        let health = Health::of(vec![PoolHealth {
            verdict: None,
            certainty: None,
            ..pool("main", HealthStatus::Up)
        }]);
        assert_eq!(
            serde_json::to_string(&health).unwrap(),
            r#"{"status":"UP","components":{"main":{"status":"UP","details":{"reason":"2 of 10 permits taken, 3 acquires wait: hoarder, likely","age_seconds":1.5,"used":2,"max_connections":10,"waiting":3}}}}"#
        );
        let dry = of(&[HealthStatus::Saturated]);
        let dry = serde_json::to_value(dry).unwrap();
        let details = &dry["components"]["pool 1"]["details"];
        assert_eq!(
            (&details["verdict"], &details["certainty"]),
            (&"hoarder".into(), &"likely".into())
        );
        assert_eq!(
            serde_json::to_string(&Health::unknown("none")).unwrap(),
            r#"{"status":"UNKNOWN","components":{},"details":{"reason":"none"}}"#
        );
    }
}
