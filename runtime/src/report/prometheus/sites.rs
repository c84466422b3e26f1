//! Call sites, by function and summary: a bounded number of series.
//!
//! Prometheus takes a counter that falls for one that was reset. Therefore what a site has sent is counted, from one scrape to
//! the next, in the series that the site has then: its own, or that of the others. Neither is ever corrected afterwards.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::exposition::{Exposition, Family, Label};
use super::pools::{counter, gauge};
use crate::measure::units::nanos;
use crate::site::tally::Sums;
use crate::sync;

/// So many sites have series of their own.
const OWN: usize = 500;
/// The function and the summary of the series of the others.
const OTHER: (&str, &str) = ("other", "other");

const STATEMENTS: Family = counter(
    "sqlx_leash_site_statements_total",
    "Statements that have ended, by function and summary.",
);
const SECONDS: Family = counter(
    "sqlx_leash_site_seconds_total",
    "How long they took, without the wait for a permit.",
);
const ROWS: Family = counter(
    "sqlx_leash_site_returned_rows_total",
    "How many rows they have returned.",
);
const SAVED: Family = counter(
    "sqlx_leash_site_statements_saved_total",
    "Statements that were not sent, because a cache had their result.",
);
const FOLDED: Family = gauge(
    "sqlx_leash_sites_folded",
    "Pairs of function and summary that have no series of their own, and count as `other`.",
);

static SITES: Mutex<Sites> = Mutex::new(Sites::new());

pub(super) fn write(exposition: &mut Exposition, sites: &[Sums]) {
    let mut known = sync::lock(&SITES);
    known.count(&totals(sites));
    write_all(exposition, &known);
}

fn write_all(exposition: &mut Exposition, sites: &Sites) {
    let own = sites.known.iter().filter(|(_, site)| site.has_series);
    let rows = own.map(|(name, site)| (*name, &site.shown));
    let folded = sites.known.values().filter(|site| !site.has_series).count();
    let other = (folded > 0 || sites.other != Counts::default()).then_some((OTHER, &sites.other));
    let rows: Vec<_> = rows.chain(other).collect();
    let mut series = exposition.family(STATEMENTS);
    for (names, counts) in &rows {
        let parts = [
            ("ok", counts.ok),
            ("error", counts.errors),
            ("cancelled", counts.cancelled),
        ];
        for (outcome, number) in parts {
            let [function, summary] = labels_of(names);
            series.value(&[function, summary, ("outcome", outcome)], number);
        }
    }
    let mut series = exposition.family(SECONDS);
    for (names, counts) in &rows {
        let time = Duration::from_nanos(counts.nanos);
        series.value(&labels_of(names), time.as_secs_f64());
    }
    for (family, read) in NUMBERS {
        let mut series = exposition.family(family);
        for (names, counts) in &rows {
            series.value(&labels_of(names), read(counts));
        }
    }
    exposition.family(FOLDED).value(&[], folded);
}

const NUMBERS: [(Family, fn(&Counts) -> u64); 2] =
    [(ROWS, |counts| counts.rows), (SAVED, |counts| counts.saved)];

fn labels_of<'a>((function, summary): &(&'a str, &'a str)) -> [Label<'a>; 2] {
    [
        ("code_function_name", function),
        ("db_query_summary", summary),
    ]
}

/// Function and summary. Of untracked code, the function is empty.
type Name = (&'static str, &'static str);

/// What is counted of sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    ok: u64,
    errors: u64,
    cancelled: u64,
    rows: u64,
    saved: u64,
    nanos: u64,
}

/// The sites that have sent statements, by name. There are at most as many as rows of counters.
struct Sites {
    known: BTreeMap<Name, Site>,
    /// What the sites have sent while they had no series of their own.
    other: Counts,
}

/// The sites of one name.
#[derive(Debug, Default)]
struct Site {
    has_series: bool,
    /// What they have sent so far.
    seen: Counts,
    /// What of it counts in their own series.
    shown: Counts,
}

fn totals(sites: &[Sums]) -> BTreeMap<Name, Counts> {
    let mut totals: BTreeMap<Name, Counts> = BTreeMap::new();
    for site in sites {
        let of_name = totals.entry((site.function, site.summary)).or_default();
        of_name.add(Counts {
            ok: site.ok,
            errors: site.errors,
            cancelled: site.cancelled,
            rows: site.rows,
            saved: site.saved,
            nanos: nanos(site.time),
        });
    }
    totals
}

impl Sites {
    const fn new() -> Self {
        Self {
            known: BTreeMap::new(),
            other: Counts {
                ok: 0,
                errors: 0,
                cancelled: 0,
                rows: 0,
                saved: 0,
                nanos: 0,
            },
        }
    }

    /// Counts what came since the last time, and decides before which sites have series of their own.
    fn count(&mut self, totals: &BTreeMap<Name, Counts>) {
        for name in totals.keys() {
            self.known.entry(*name).or_default();
        }
        self.choose(totals);
        for (name, total) in totals {
            let site = self.known.get_mut(name).expect("BUG: every name is known");
            let new = total.since(site.seen);
            let series = if site.has_series {
                &mut site.shown
            } else {
                &mut self.other
            };
            series.add(new);
            // Not `total`: another scrape may have seen later ones already.
            site.seen.add(new);
        }
    }

    /// Gives series to the busiest sites. A site that has one keeps it until another site has taken more than twice its time.
    fn choose(&mut self, totals: &BTreeMap<Name, Counts>) {
        let time = |name: &Name| totals.get(name).map_or(0, |counts| counts.nanos);
        let mut without: Vec<_> = self.known.iter_mut().collect();
        without.retain(|(name, _)| **name != OTHER);
        let (mut own, mut without): (Vec<_>, Vec<_>) =
            without.into_iter().partition(|(_, site)| site.has_series);
        without.sort_by_cached_key(|(name, _)| Reverse(time(name)));
        own.sort_by_cached_key(|(name, _)| time(name));
        let free = OWN.saturating_sub(own.len()).min(without.len());
        for (_, site) in without.drain(..free) {
            site.has_series = true;
        }
        for ((name, site), (least, replaced)) in without.into_iter().zip(own) {
            if time(name) / 2 <= time(least) {
                break;
            }
            (site.has_series, replaced.has_series) = (true, false);
        }
    }
}

impl Counts {
    fn parts(&mut self) -> [&mut u64; 6] {
        [
            &mut self.ok,
            &mut self.errors,
            &mut self.cancelled,
            &mut self.rows,
            &mut self.saved,
            &mut self.nanos,
        ]
    }

    fn add(&mut self, mut other: Self) {
        for (number, more) in self.parts().into_iter().zip(other.parts()) {
            *number += *more;
        }
    }

    fn since(mut self, mut earlier: Self) -> Self {
        for (number, before) in self.parts().into_iter().zip(earlier.parts()) {
            *number = number.saturating_sub(*before);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use once_cell::sync::Lazy;

    use super::*;

    static NAMES: Lazy<Vec<&'static str>> = Lazy::new(|| {
        let names = (0..1_000).map(|site| &*format!("SELECT {site}").leak());
        names.collect()
    });

    fn totals(sites: impl IntoIterator<Item = (usize, u64)>) -> BTreeMap<Name, Counts> {
        let counts = |time: u64| Counts {
            ok: time,
            nanos: time,
            ..Counts::default()
        };
        let named = |(site, time): (usize, u64)| (("f", NAMES[site]), counts(time));
        sites.into_iter().map(named).collect()
    }

    /// The number of shown statements by site, and those of the others.
    fn shown(sites: &Sites) -> (BTreeMap<&str, u64>, u64) {
        let own = sites.known.iter().filter(|(_, site)| site.has_series);
        let own = own.map(|((_, summary), site)| (*summary, site.shown.ok));
        (own.collect(), sites.other.ok)
    }

    #[test]
    fn the_busiest_have_series_and_the_others_are_one() {
        let mut sites = Sites::new();
        sites.count(&totals((0..1_000).map(|site| (site, site as u64))));
        let (own, other) = shown(&sites);
        assert_eq!(own.len(), OWN);
        assert_eq!((own["SELECT 500"], own["SELECT 999"]), (500, 999));
        assert_eq!(other, (0..500).sum::<u64>());
    }

    #[test]
    fn no_series_falls_when_sites_change_places() {
        let mut sites = Sites::new();
        let mut times = vec![10_u64; 1_000];
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        let (mut last_other, mut replaced) = (0, 0);
        for round in 0..200_usize {
            for step in 0..40 {
                times[(round * 7919 + step * 104_729) % 1_000] += (round * step) as u64;
            }
            sites.count(&totals(times.iter().copied().enumerate()));
            let (own, other) = shown(&sites);
            assert_eq!(own.len(), OWN);
            for (name, value) in own {
                let before = last.insert(name.to_owned(), value);
                replaced += usize::from(before.is_none());
                assert!(before.unwrap_or_default() <= value, "{name}");
            }
            assert!(last_other <= other);
            last_other = other;
            let all: u64 = sites.known.values().map(|site| site.shown.ok).sum();
            assert_eq!(all + other, times.iter().sum::<u64>(), "each counts once");
        }
        assert!(replaced > OWN, "some have changed places");
    }

    #[test]
    fn a_site_keeps_its_series_until_another_has_twice_its_time() {
        let mut sites = Sites::new();
        let with = |last| totals((0..OWN).map(|site| (site, 100)).chain([(OWN, last)]));
        sites.count(&with(1));
        for (time, has_series) in [(150, false), (201, false), (202, true)] {
            sites.count(&with(time));
            let (own, _) = shown(&sites);
            assert_eq!(own.contains_key("SELECT 500"), has_series, "{time}");
        }
        assert_eq!(shown(&sites).1, 201, "what was folded stays so");
    }

    #[test]
    fn an_older_scrape_that_comes_later_changes_nothing() {
        let mut sites = Sites::new();
        for time in [5, 9, 7, 9] {
            sites.count(&totals([(0, time)]));
        }
        assert_eq!(shown(&sites).0["SELECT 0"], 9);
    }

    #[test]
    fn a_site_that_is_called_like_the_others_is_one_of_them() {
        let mut sites = Sites::new();
        let counts = Counts {
            ok: 3,
            ..Counts::default()
        };
        sites.count(&BTreeMap::from([(OTHER, counts)]));
        assert_eq!(shown(&sites), (BTreeMap::new(), 3));
    }
}
