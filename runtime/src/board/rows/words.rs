//! Words for the page: places, and texts without the names of users.

use crate::finding::CallSite;
use crate::snapshot::SiteStats;

/// The bytes of a text that are shown.
const TEXT: usize = 16 << 10;

/// `file:line:column`; nothing where the place is not known.
pub(super) fn place(site: &CallSite) -> String {
    match site.line {
        0 => site.file.clone(),
        _ => site.to_string(),
    }
}

/// The same of a row of counters.
pub(super) fn place_of(site: &SiteStats) -> String {
    let file = site.file.as_deref().unwrap_or_default();
    match site.line {
        0 => file.to_owned(),
        line => format!("{file}:{line}:{}", site.column),
    }
}

/// The first bytes of a text.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes);
    format!("{}…", &text[..end])
}

/// The text without the names of database users. An error of a server may hold one: `password authentication failed for user
/// "clinic"`, `Access denied for user 'clinic'@'localhost'`.
pub(super) fn without_users(text: &str) -> String {
    let text = cut(text, TEXT);
    let mut shown = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some((before, quote, after)) = next_user(rest) {
        shown.push_str(before);
        shown.push('…');
        shown.push(quote);
        rest = after;
    }
    shown + rest
}

/// The text up to the next name of a user with the quote before it, that quote, and the text after the quote behind it.
fn next_user(text: &str) -> Option<(&str, char, &str)> {
    ["user ", "role "]
        .into_iter()
        .flat_map(|word| text.match_indices(word))
        .filter_map(|(at, word)| {
            let name = at + word.len();
            let quote = text[name..]
                .chars()
                .next()
                .filter(|it| "\"'`".contains(*it))?;
            let begin = name + quote.len_utf8();
            let end = begin + text[begin..].find(quote)?;
            Some((&text[..begin], quote, &text[end + quote.len_utf8()..]))
        })
        .min_by_key(|(before, ..)| before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_in_the_errors_of_servers_are_not_shown() {
        for (error, shown) in [
            (
                "password authentication failed for user \"clinic\"",
                "password authentication failed for user \"…\"",
            ),
            (
                "Access denied for user 'clinic'@'localhost' (using password: YES)",
                "Access denied for user '…'@'localhost' (using password: YES)",
            ),
            (
                "no pg_hba.conf entry for host \"::1\", user \"clinic\", database \"eyes\"",
                "no pg_hba.conf entry for host \"::1\", user \"…\", database \"eyes\"",
            ),
            (
                "too many connections for role \"a\", or for user \"b\"",
                "too many connections for role \"…\", or for user \"…\"",
            ),
            ("the user 's own \" quote", "the user 's own \" quote"),
            ("SELECT user FROM exam", "SELECT user FROM exam"),
        ] {
            assert_eq!(without_users(error), shown);
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 6), "äöü");
        assert_eq!(cut("äöü", 5), "äö…");
    }
}
