//! Answers, with the headers that keep them on this page.

use super::state::State;

const PAGE: &str = include_str!("page.html");

/// What a browser may do with the page: run its one script, use its one style, and ask the same server.
///
/// The hashes are those of the script and the style in `page.html`; a test computes them. With trusted types, a browser
/// refuses to make elements of text, should a script ever try.
const POLICY: &str = "default-src 'none'; \
    script-src 'sha256-aGJqz84rKqJicfDESW7rvV9S+LgBuKKHVSxnOa34wOM='; \
    style-src 'sha256-VtiRSFQeWyPmxsZRdyhdB9E7H0j9YMNSfexobRACFZg='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// An answer to a request, for any HTTP server to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status: 200, 403, 404 or 405.
    pub status: u16,
    /// The headers, without those about the length.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body; empty for HEAD.
    pub body: Vec<u8>,
}

impl Response {
    fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![
                ("content-type", content_type),
                ("content-security-policy", POLICY),
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cache-control", "no-store"),
                // Of browsers that do not know `frame-ancestors`.
                ("x-frame-options", "DENY"),
                // Another site cannot have it loaded as a script or an image.
                ("cross-origin-resource-policy", "same-origin"),
            ],
            body,
        }
    }

    pub(super) fn page() -> Self {
        Self::new(200, "text/html; charset=utf-8", PAGE.into())
    }

    pub(super) fn json(state: &State) -> Self {
        let body = serde_json::to_vec(state)
            .expect("BUG: the state has no map and no number that JSON lacks");
        Self::new(200, "application/json", body)
    }

    pub(super) fn text(text: &str) -> Self {
        Self::new(200, "text/plain; charset=utf-8", text.into())
    }

    pub(super) fn refused(status: u16, why: &str) -> Self {
        Self::new(
            status,
            "text/plain; charset=utf-8",
            format!("{why}\n").into(),
        )
    }

    pub(super) fn method_not_allowed() -> Self {
        let mut response = Self::refused(405, "this page only shows: GET and HEAD");
        response.headers.push(("allow", "GET, HEAD"));
        response
    }

    pub(super) fn without_body(mut self) -> Self {
        self.body.clear();
        self
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    /// The part of the page between these two.
    fn between(begin: &str, end: &str) -> &'static str {
        let (_, rest) = PAGE.split_once(begin).unwrap();
        rest.split_once(end).unwrap().0
    }

    #[test]
    fn the_policy_has_the_hashes_of_the_script_and_the_style() {
        for (source, content) in [
            ("script-src", between("<script>", "</script>")),
            ("style-src", between("<style>", "</style>")),
        ] {
            let hash = STANDARD.encode(Sha256::digest(content));
            let allowed = format!("{source} 'sha256-{hash}'");
            assert!(
                POLICY.contains(&allowed),
                "the policy has to say: {allowed}"
            );
        }
    }

    #[test]
    fn the_page_is_one_small_file_with_nothing_from_elsewhere() {
        assert!(PAGE.len() < 40 << 10, "{} bytes", PAGE.len());
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert_eq!(PAGE.matches("<style").count(), 1);
        for elsewhere in [
            "src=", "@import", "url(http", "url(/", "https://", "import(",
        ] {
            assert!(!PAGE.contains(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn the_page_makes_no_elements_of_text_and_has_no_handlers_in_its_markup() {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "createContextualFragment",
            "DOMParser",
            "srcdoc",
            "eval(",
            "Function(",
            "javascript:",
            " onclick",
            " onload",
            " style=",
        ] {
            assert!(!PAGE.contains(way), "{way}");
        }
    }
}
