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

/// What sqlx writes before an error of a server.
const FROM_SERVER: &str = "error returned from database: ";
/// A server's quotes, as they open and as they close. Those of other languages than English come from a server that speaks
/// one.
const QUOTES: [(char, &[char]); 7] = [
    ('"', &['"']),
    ('\'', &['\'']),
    ('`', &['`']),
    ('«', &['»']),
    ('»', &['«', '»']),
    ('„', &['“', '”', '"']),
    ('”', &['”']),
];
/// What MySQL and MariaDB quote and is no name.
const LIMIT: &str = "max_user_connections";
/// What MySQL says behind a user that it does not quote.
const TOO_MANY: &str = " already has more than ";

/// The text without the names of database users.
///
/// An error of a server may hold one, in the language of the server: `password authentication failed for user "clinic"`. So
/// what a server quotes is left out.
pub(super) fn without_users(text: &str) -> String {
    let text = cut(text, TEXT);
    let lines = text.split_inclusive('\n');
    let shown = lines.map(|line| match line.split_once(FROM_SERVER) {
        Some((before, error)) => format!("{before}{FROM_SERVER}{}", without_names(error)),
        None => line.to_owned(),
    });
    shown.collect()
}

/// The error of a server without what it quotes.
fn without_names(error: &str) -> String {
    let error = match error.split_once(TOO_MANY) {
        Some((user, rest)) => {
            let kept = user.rfind(' ').map_or("", |space| &user[..=space]);
            format!("{kept}…{TOO_MANY}{rest}")
        }
        None => error.to_owned(),
    };
    let mut shown = String::with_capacity(error.len());
    let mut rest = &*error;
    while let Some(open) = rest.chars().next() {
        let is_apostrophe = open == '\'' && shown.ends_with(char::is_alphanumeric);
        let quoted = (!is_apostrophe).then(|| quoted(rest)).flatten();
        rest = if let Some((name, close, after)) = quoted {
            let name = if name == LIMIT { name } else { "…" };
            shown.extend([open.to_string().as_str(), name, close]);
            after
        } else {
            shown.push(open);
            &rest[open.len_utf8()..]
        };
    }
    shown
}

/// What is quoted where `text` begins, the quote that closes it, and the rest.
fn quoted(text: &str) -> Option<(&str, &str, &str)> {
    let (open, closes) = QUOTES.iter().find(|(open, _)| text.starts_with(*open))?;
    let inside = &text[open.len_utf8()..];
    let end = inside.find(*closes)?;
    let (name, rest) = inside.split_at(end);
    let (close, after) = rest.split_at(rest.chars().next()?.len_utf8());
    Some((name, close, after))
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
                "Access denied for user '…'@'…' (using password: YES)",
            ),
            (
                "User 'clinic' has exceeded the 'max_user_connections' resource (current value: 5)",
                "User '…' has exceeded the 'max_user_connections' resource (current value: 5)",
            ),
            (
                "User clinic already has more than 'max_user_connections' active connections",
                "User … already has more than 'max_user_connections' active connections",
            ),
            (
                "Passwort-Authentifizierung für Benutzer »clinic« fehlgeschlagen",
                "Passwort-Authentifizierung für Benutzer »…« fehlgeschlagen",
            ),
            (
                "l'authentification par mot de passe a échoué pour l'utilisateur « clinic »",
                "l'authentification par mot de passe a échoué pour l'utilisateur «…»",
            ),
            (
                "ユーザー\"clinic\"のパスワード認証に失敗しました",
                "ユーザー\"…\"のパスワード認証に失敗しました",
            ),
            (
                "misslyckades för användare ”clinic”",
                "misslyckades för användare ”…”",
            ),
            ("the server's own \" quote", "the server's own \" quote"),
        ] {
            let said = |error| format!("connecting fails: {FROM_SERVER}{error}\n  \"ours\"");
            assert_eq!(without_users(&said(error)), said(shown));
        }
    }

    #[test]
    fn what_no_server_said_is_left_as_it_is() {
        let ours = "set `application_name` of user \"clinic\"";
        assert_eq!(without_users(ours), ours);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 6), "äöü");
        assert_eq!(cut("äöü", 5), "äö…");
    }
}
