//! The page as text, for a terminal.

#[cfg(feature = "track")]
use std::cmp::Reverse;

#[cfg(feature = "track")]
use super::rows::{Reading, findings::Told, parts::SHOWN, pools::Pool};
use super::state;
#[cfg(feature = "track")]
use crate::snapshot::Snapshot;

/// Everything that the page shows, in lines.
pub(super) fn written(summaries_only: bool) -> String {
    let mut text = state::title() + "\n\n";
    match state::untracked() {
        Some(why) => text += why,
        None => text += &body(summaries_only),
    }
    text.push('\n');
    harmless(&text)
}

#[cfg(feature = "track")]
fn body(summaries_only: bool) -> String {
    Reading::with(|mut reading| {
        let pools = reading.pools();
        let findings = reading.findings(summaries_only);
        let left_out = shorten(&mut reading.snapshot);
        let mut text = reading.snapshot.to_string();
        text.extend(left_out.iter().map(|it| format!("\nnot shown: {it}")));
        text.extend(pools.rows.iter().filter_map(Pool::line));
        text.extend(findings.rows.iter().map(Told::paragraph));
        text
    })
}

#[cfg(not(feature = "track"))]
fn body(_summaries_only: bool) -> String {
    String::new()
}

/// Leaves as many rows of each kind as the page shows, and says how many more there are.
#[cfg(feature = "track")]
fn shorten(snapshot: &mut Snapshot) -> Vec<String> {
    fn cut<T>(rows: &mut Vec<T>, nouns: &str) -> Option<String> {
        let more = rows.len().saturating_sub(SHOWN);
        rows.truncate(SHOWN);
        (more > 0).then(|| format!("{more} more {nouns}"))
    }
    snapshot.acquires.sort_by_key(|row| Reverse(row.wait.total));
    let left_out = [
        cut(&mut snapshot.sites, "call sites"),
        cut(&mut snapshot.pools, "pools"),
        cut(&mut snapshot.acquires, "places that acquire"),
        cut(&mut snapshot.requests, "routes"),
        cut(&mut snapshot.handles, "handles"),
        cut(&mut snapshot.waiters, "acquires that wait"),
    ];
    left_out.into_iter().flatten().collect()
}

/// The text without characters that a terminal obeys, such as those in the name of a table: control characters, and those
/// that turn the direction of what follows.
fn harmless(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        let text = harmless("a\tb\n\x1b]0;title\x07 \u{9b}2J ü");
        assert_eq!(text, "a\tb\n\u{fffd}]0;title\u{fffd} \u{fffd}2J ü");
        assert_eq!(
            harmless("exam\u{202e}mares\u{2066}"),
            "exam\u{fffd}mares\u{fffd}"
        );
    }
}
