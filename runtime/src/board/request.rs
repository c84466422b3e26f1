//! What is asked for, and of which host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) answer: Answer,
    pub(super) sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Page,
    Json,
    Text,
}

/// What call sites are sorted by, largest first, where there are more than are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Time,
    Calls,
    InFlight,
    Errors,
    Cancelled,
    Rows,
    P50,
    P95,
    P99,
    Max,
    Saved,
}

impl Target {
    /// Reads a path and its query; `None` if nothing is there.
    pub(super) fn read(path: &str) -> Option<Self> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let answer = match path.strip_prefix('/').unwrap_or(path) {
            "" => Answer::Page,
            "state.json" => Answer::Json,
            _ => return None,
        };
        let mut target = Self {
            answer,
            sort: Sort::default(),
        };
        for option in query.split('&') {
            match option.split_once('=') {
                Some(("format", "text")) => target.answer = Answer::Text,
                Some(("sort", name)) => target.sort = Sort::named(name).unwrap_or_default(),
                _ => {}
            }
        }
        Some(target)
    }
}

impl Sort {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "time" => Sort::Time,
            "calls" => Sort::Calls,
            "in_flight" => Sort::InFlight,
            "errors" => Sort::Errors,
            "cancelled" => Sort::Cancelled,
            "rows" => Sort::Rows,
            "p50" => Sort::P50,
            "p95" => Sort::P95,
            "p99" => Sort::P99,
            "max" => Sort::Max,
            "saved" => Sort::Saved,
            _ => return None,
        })
    }
}

/// The hosts to whose requests the page answers: this machine, and those that were allowed.
///
/// A site of another name can have its name lead to this machine, and so have a browser here read the page for it. The
/// browser then sends that name.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    allowed: Vec<String>,
    all: bool,
}

impl Hosts {
    pub(super) fn allow(&mut self, host: String) {
        self.allowed.push(host);
    }

    pub(super) fn allow_all(&mut self) {
        self.all = true;
    }

    pub(super) fn include(&self, host: Option<&str>) -> bool {
        if self.all {
            return true;
        }
        let Some(name) = host.and_then(without_port) else {
            return false;
        };
        is_this_machine(name)
            || self
                .allowed
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

fn without_port(host: &str) -> Option<&str> {
    let end = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, port) = host.split_at(end);
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|it| it.is_ascii_digit());
    let has_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (has_port && !name.is_empty()).then_some(name)
}

fn is_this_machine(name: &str) -> bool {
    let bracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let address = match bracketed {
        Some(name) => name.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    name.eq_ignore_ascii_case("localhost") || address.is_some_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_where_the_page_is_mounted() {
        let answer = |path| Target::read(path).map(|target| target.answer);
        assert_eq!(answer("/"), Some(Answer::Page));
        assert_eq!(answer(""), Some(Answer::Page));
        assert_eq!(answer("/?anything"), Some(Answer::Page));
        assert_eq!(answer("/state.json"), Some(Answer::Json));
        assert_eq!(answer("state.json"), Some(Answer::Json));
        assert_eq!(answer("/state.json?format=text"), Some(Answer::Text));
        assert_eq!(answer("/?format=text"), Some(Answer::Text));
        for nothing in [
            "/favicon.ico",
            "//",
            "/state.json/",
            "/../state.json",
            "/leash",
        ] {
            assert_eq!(answer(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn an_unknown_order_is_the_usual_one() {
        let sort = |path| Target::read(path).unwrap().sort;
        assert_eq!(sort("/state.json?sort=p99"), Sort::P99);
        assert_eq!(sort("/state.json?sort=DROP+TABLE"), Sort::Time);
    }

    #[test]
    fn this_machine_by_any_of_its_names() {
        let hosts = Hosts::default();
        for host in [
            "localhost",
            "LOCALHOST:6670",
            "127.0.0.1",
            "127.0.0.1:6670",
            "127.8.8.8:1",
            "[::1]",
            "[::1]:6670",
        ] {
            assert!(hosts.include(Some(host)), "{host}");
        }
    }

    #[test]
    fn no_other_machine() {
        let hosts = Hosts::default();
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:6670",
            "localhost:6670.evil.example",
            "localhost:6670:1",
            "10.0.0.1",
            "0.0.0.0",
            "0x7f000001",
            "2130706433",
            "::1",
            "[::1",
            "[::1]x",
            "[::ffff:10.0.0.1]",
            "localhost\n",
            " localhost",
        ] {
            assert!(!hosts.include(Some(host)), "{host:?}");
        }
        assert!(!hosts.include(None));
    }

    #[test]
    fn a_host_that_was_allowed() {
        let mut hosts = Hosts::default();
        hosts.allow("exams.example".to_owned());
        assert!(hosts.include(Some("Exams.example:8443")));
        assert!(!hosts.include(Some("evil.exams.example")));
        hosts.allow_all();
        assert!(hosts.include(Some("evil.example")) && hosts.include(None));
    }
}
