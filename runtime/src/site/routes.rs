//! The counters of requests: one row for each method and route.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use super::TrackedFn;
use super::tally::Tally;
use crate::measure::histogram::Histogram;
use crate::snapshot::{LongestStatement, RepeatedSite, RequestStats, StatusStats};
use crate::source::options::Options;
use crate::source::place::Place;
use crate::sync;

/// The number of routes that are kept apart. Further ones share a row for each method.
const ROUTES: usize = 4096;
/// The bytes of a route that are kept. Routes are written in the source, and short.
const NAME: usize = 200;
/// A route keeps this many of the call sites that its requests repeat.
const REPEATED: usize = 8;

/// For a request that no route has matched.
const UNMATCHED: &str = "<unmatched>";
/// For a route beyond [`ROUTES`].
const FURTHER: &str = "<other>";
/// For a method that HTTP does not define: OpenTelemetry's word.
const OTHER_METHOD: &str = "_OTHER";
/// RFC 9110, with PATCH (RFC 5789) and QUERY.
const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY",
];

type Routes = HashMap<(&'static str, &'static str), &'static Route, FxBuildHasher>;

static ALL: Lazy<RwLock<Routes>> = Lazy::new(RwLock::default);

/// The requests of one method and route. Routes are never freed and their number is bounded, so they are leaked.
#[derive(Debug)]
pub(crate) struct Route {
    method: &'static str,
    path: &'static str,
    /// Stands for the requests as scopes.
    function: TrackedFn,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    /// By the first digit of the status, from 1.
    statuses: [AtomicU64; 5],
    over_budget: AtomicU64,
    statements: AtomicU64,
    most_statements: AtomicU64,
    time: Histogram,
    database: WithZeros,
    wait: WithZeros,
    notable: Mutex<Notable>,
}

/// Durations of which many are zero: those take no room.
#[derive(Debug, Default)]
struct WithZeros {
    zeros: AtomicU64,
    others: Histogram,
}

impl WithZeros {
    fn record(&self, duration: Duration) {
        if duration.is_zero() {
            self.zeros.fetch_add(1, Relaxed);
        } else {
            self.others.record(duration);
        }
    }
}

#[derive(Debug, Default)]
struct Notable {
    longest: Option<(&'static Tally, Duration)>,
    repeated: Vec<Repeated>,
}

/// A call site that ran more than once in a request.
#[derive(Clone, Copy, Debug)]
struct Repeated {
    tally: &'static Tally,
    requests: u64,
    most: u64,
}

/// How a request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Answered,
    /// It has no whole answer, for this reason.
    Failed(&'static str),
    Cancelled,
}

/// A request that has ended.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) ended: Ended,
    pub(crate) is_over_budget: bool,
    pub(crate) statements: u64,
    pub(crate) time: Duration,
    pub(crate) database: Duration,
    pub(crate) wait: Duration,
    pub(crate) longest: Option<(&'static Tally, Duration)>,
    /// The call sites that ran more than once, with the number of their calls.
    pub(crate) repeated: &'a [(&'static Tally, u64)],
}

/// The row of a method and a route. `made` is where the layer was made that asks first.
pub(crate) fn find(
    method: &str,
    route: Option<&str>,
    made: &'static Location<'static>,
) -> &'static Route {
    let known = METHODS.into_iter().find(|known| *known == method);
    let method = known.unwrap_or(OTHER_METHOD);
    let route = route.unwrap_or(UNMATCHED);
    let route = &route[..route.floor_char_boundary(NAME)];
    let known = known_route(&sync::read(&ALL), method, route);
    known.unwrap_or_else(|| add(method, route, made))
}

/// Looks a route up by names that need not live for ever.
fn known_route<'a>(
    all: &HashMap<(&'a str, &'a str), &'static Route, FxBuildHasher>,
    method: &'a str,
    route: &'a str,
) -> Option<&'static Route> {
    all.get(&(method, route)).copied()
}

#[cold]
fn add(method: &'static str, route: &str, made: &'static Location<'static>) -> &'static Route {
    let mut all = sync::write(&ALL);
    let is_full = all.len() >= ROUTES && route != UNMATCHED;
    let route = if is_full { FURTHER } else { route };
    // Another thread may have added the route between the two locks.
    if let Some(route) = known_route(&all, method, route) {
        return route;
    }
    let name: &'static str = format!("{method} {route}").leak();
    let route: &'static Route = Box::leak(Box::new(Route {
        method,
        path: &name[method.len() + 1..],
        function: TrackedFn::standing_in(made, Options::NONE.named(name).root().of_requests()),
        counters: Counters::default(),
    }));
    all.insert((method, route.path), route);
    route
}

impl Route {
    pub(crate) fn function(&'static self) -> &'static TrackedFn {
        &self.function
    }

    pub(crate) fn method(&self) -> &'static str {
        self.method
    }

    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    pub(crate) fn begins(&self) {
        // Relaxed, here and below: the counters are independent and publish no other memory.
        self.counters.requests.fetch_add(1, Relaxed);
    }

    /// Counts a response by its status.
    pub(crate) fn responds(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5);
        self.counters.statuses[class - 1].fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self, request: &Request<'_>) {
        let counters = &self.counters;
        counters.statements.fetch_add(request.statements, Relaxed);
        counters
            .most_statements
            .fetch_max(request.statements, Relaxed);
        counters.time.record(request.time);
        counters.database.record(request.database);
        counters.wait.record(request.wait);
        if request.is_over_budget {
            counters.over_budget.fetch_add(1, Relaxed);
        }
        if request.longest.is_some() {
            sync::lock(&counters.notable).add(request);
        }
        let ended = match request.ended {
            Ended::Answered => &counters.answered,
            Ended::Failed(_) => &counters.failed,
            Ended::Cancelled => &counters.cancelled,
        };
        ended.fetch_add(1, Relaxed);
    }

    fn read(&self) -> RequestStats {
        let counters = &self.counters;
        let value = |counter: &AtomicU64| counter.load(Relaxed);
        let [
            informational,
            successful,
            redirection,
            client_error,
            server_error,
        ] = counters.statuses.each_ref().map(value);
        let with_zeros = |of: &WithZeros| of.others.read_with_zeros(value(&of.zeros));
        // The ends are read before the begins, so that a snapshot never shows more ends than begins.
        let [answered, failed, cancelled] =
            [&counters.answered, &counters.failed, &counters.cancelled].map(value);
        let notable = sync::lock(&counters.notable);
        let (longest, mut repeated) = (notable.longest, notable.repeated.clone());
        drop(notable);
        repeated.sort_by_key(|it| std::cmp::Reverse((it.most, it.requests)));
        RequestStats {
            method: self.method.to_owned(),
            route: self.path.to_owned(),
            answered,
            failed,
            cancelled,
            requests: value(&counters.requests),
            statuses: StatusStats {
                informational,
                successful,
                redirection,
                client_error,
                server_error,
            },
            over_budget: value(&counters.over_budget),
            statements: value(&counters.statements),
            most_statements: value(&counters.most_statements),
            time: counters.time.read(),
            database: with_zeros(&counters.database),
            wait: with_zeros(&counters.wait),
            longest: longest.map(|(tally, time)| LongestStatement {
                summary: tally.summary.clone(),
                site: tally.place().map(Place::to_call_site),
                time,
            }),
            repeated: repeated.iter().map(Repeated::read).collect(),
        }
    }

    fn bytes(&self) -> usize {
        let counters = &self.counters;
        let histograms = [
            &counters.time,
            &counters.database.others,
            &counters.wait.others,
        ];
        let histograms: usize = histograms
            .iter()
            .map(|it| it.bytes() - size_of::<Histogram>())
            .sum();
        size_of::<Self>() + histograms + self.function.name().len()
    }
}

impl Notable {
    fn add(&mut self, request: &Request<'_>) {
        let is_longer = |time| self.longest.is_none_or(|(_, longest)| time > longest);
        self.longest = (request.longest)
            .filter(|(_, time)| is_longer(*time))
            .or(self.longest);
        for (tally, calls) in request.repeated {
            self.repeats(tally, *calls);
        }
    }

    fn repeats(&mut self, tally: &'static Tally, calls: u64) {
        let mut known = self.repeated.iter_mut();
        if let Some(known) = known.find(|it| it.tally.line() == tally.line()) {
            known.requests += 1;
            known.most = known.most.max(calls);
            return;
        }
        let new = Repeated {
            tally,
            requests: 1,
            most: calls,
        };
        if self.repeated.len() < REPEATED {
            return self.repeated.push(new);
        }
        let least = self.repeated.iter_mut().min_by_key(|it| it.most);
        if let Some(least) = least.filter(|it| it.most < calls) {
            *least = new;
        }
    }
}

impl Repeated {
    fn read(&self) -> RepeatedSite {
        RepeatedSite {
            summary: self.tally.summary.clone(),
            site: self.tally.place().map(Place::to_call_site),
            requests: self.requests,
            most: self.most,
        }
    }
}

/// All routes with a request, in no order.
pub(crate) fn read_all() -> Vec<RequestStats> {
    let all: Vec<_> = sync::read(&ALL).values().copied().collect();
    all.into_iter().map(Route::read).collect()
}

/// The bytes of all routes.
pub(crate) fn bytes() -> usize {
    let all = sync::read(&ALL);
    all.values().map(|route| route.bytes()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_and_methods_are_bounded() {
        let here = Location::caller();
        let first = find("GET", Some("/bounded/0"), here);
        for number in 0..2 * ROUTES {
            find("GET", Some(&format!("/bounded/{number}")), here);
            find(&format!("METHOD{number}"), None, here);
        }
        let further = find("GET", Some("/bounded/again"), here);
        assert_eq!((further.method(), further.path()), ("GET", FURTHER));
        assert!(std::ptr::eq(first, find("GET", Some("/bounded/0"), here)));
        let unknown = find("get", None, here);
        assert_eq!(
            (unknown.method(), unknown.path()),
            (OTHER_METHOD, UNMATCHED)
        );
        let rows = sync::read(&ALL).len();
        assert!(rows <= ROUTES + 2 * (METHODS.len() + 1), "{rows} rows");
        let long = find("PUT", Some(&"ü".repeat(NAME)), here);
        assert!(long.path().len() <= NAME);
    }

    #[test]
    fn a_route_keeps_the_sites_that_are_repeated_most() {
        let mut notable = Notable::default();
        let tally =
            |number| super::super::tally::without_site(&format!("SELECT {number} repeated"));
        for number in 0..2 * REPEATED as u64 {
            notable.repeats(tally(number), number + 2);
        }
        notable.repeats(tally(2 * REPEATED as u64 - 1), 2);
        let most: Vec<_> = notable
            .repeated
            .iter()
            .map(|it| (it.most, it.requests))
            .collect();
        assert_eq!(most.len(), REPEATED);
        assert!(
            most.contains(&(17, 2)) && most.iter().all(|(most, _)| *most >= 10),
            "{most:?}"
        );
    }
}
