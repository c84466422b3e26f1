//! The settings of a page, and its answers.

use super::request::{Answer, Hosts, Target};
use super::response::Response;
use super::state::State;
use super::text;

/// The settings of a live page.
///
/// Make it where the program starts: the page shows the findings from then on.
///
/// ```
/// use sqlx_leash::leash::board::Board;
///
/// let board = Board::new();
/// let page = board.respond("GET", "/", "localhost:8080");
/// assert_eq!(page.status, 200);
/// assert_eq!(board.respond("POST", "/", "localhost:8080").status, 405);
/// assert_eq!(board.respond("GET", "/", "exams.example").status, 403);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Board {
    hosts: Hosts,
    summaries_only: bool,
    /// The reason given to `expose_without_auth`.
    pub(super) exposed: Option<String>,
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Board {
    /// A page for this machine alone, with the texts of statements. From now on, the last findings are kept for it.
    pub fn new() -> Self {
        #[cfg(feature = "track")]
        crate::finding::recent::keep();
        Self {
            hosts: Hosts::default(),
            summaries_only: false,
            exposed: None,
        }
    }

    /// Shows no text of a statement and no line of source: of a statement its summary (`SELECT exam`), of a finding what
    /// happened and where.
    ///
    /// Bound values are never shown. A literal in a text is part of the text.
    pub fn summaries_only(mut self) -> Self {
        self.summaries_only = true;
        self
    }

    /// Answers also to requests for this host, beside `localhost` and loopback addresses. For a page that a service of this
    /// name serves behind its own login.
    ///
    /// The name is that of the header `Host`, without its port.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.allow(host.into());
        self
    }

    /// Listens on every address and answers to every host. Whoever reaches the page can read it: nobody is asked who they
    /// are.
    ///
    /// The reason is shown on the page and logged.
    ///
    /// # Panics
    ///
    /// Panics if the reason is empty.
    #[track_caller]
    pub fn expose_without_auth(mut self, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        assert!(
            !reason.trim().is_empty(),
            "`expose_without_auth` takes the reason: who can reach the page, and why they may read it"
        );
        self.hosts.allow_all();
        self.exposed = Some(reason);
        self
    }

    /// Answers one request. `path` begins where the page is mounted: `/` is the page, `/state.json` what it shows;
    /// `?format=text` returns text for a terminal. `host` is the header `Host`, or the authority of the address.
    ///
    /// Methods other than GET and HEAD are refused, and so are hosts that are not this machine
    /// ([`allow_host`](Self::allow_host)): a page of another site whose name leads here cannot read it.
    ///
    /// # Locking
    ///
    /// As for [`snapshot`](crate::leash::snapshot). It reads the source files of findings that are shown for the first time.
    pub fn respond<'h>(
        &self,
        method: &str,
        path: &str,
        host: impl Into<Option<&'h str>>,
    ) -> Response {
        let response = self.answer(method, path, host.into());
        if method == "HEAD" {
            return response.without_body();
        }
        response
    }

    fn answer(&self, method: &str, path: &str, host: Option<&str>) -> Response {
        if !self.hosts.include(host) {
            return Response::refused(
                403,
                "this page answers to localhost; for another name, `Board::allow_host`",
            );
        }
        if !["GET", "HEAD"].contains(&method) {
            return Response::method_not_allowed();
        }
        let Some(target) = Target::read(path) else {
            return Response::refused(404, "there are `/` and `/state.json`");
        };
        match target.answer {
            Answer::Page => Response::page(),
            Answer::Json => Response::json(&State::read(
                target.sort,
                self.summaries_only,
                self.exposed.as_deref(),
            )),
            Answer::Text => Response::text(&text::written(self.summaries_only)),
        }
    }
}

#[cfg(all(test, not(feature = "track")))]
mod tests {
    use super::*;

    #[test]
    fn without_track_every_answer_says_that_nothing_is_tracked() {
        let board = Board::new().summaries_only();
        let page = board.respond("GET", "/", "localhost");
        assert_eq!(page.status, 200);
        for path in ["/state.json", "/state.json?format=text"] {
            let answer = board.respond("GET", path, "localhost");
            let text = String::from_utf8(answer.body).unwrap();
            assert!(
                text.contains("sqlx-leash tracks nothing: its feature `track` is off"),
                "{text}"
            );
        }
        assert_eq!(board.respond("GET", "/", "evil.example").status, 403);
        assert!(crate::leash::board::listen("0.0.0.0:0").is_err());
    }
}
