//! The page as text, for a terminal.

#[cfg(feature = "track")]
use super::rows::{findings::Told, parts::SHOWN, pools::Pool};
use super::state::State;
#[cfg(feature = "track")]
use crate::report::collect;

/// Everything that the page shows, in lines.
pub(super) fn written(state: &State) -> String {
    let mut text = state.title() + "\n\n";
    match state.untracked {
        Some(why) => text += why,
        None => text += &body(state),
    }
    text.push('\n');
    harmless(&text)
}

#[cfg(feature = "track")]
fn body(state: &State) -> String {
    let mut snapshot = collect::snapshot();
    snapshot.sites.truncate(SHOWN);
    snapshot.handles.truncate(SHOWN);
    snapshot.waiters.truncate(SHOWN);
    let mut text = snapshot.to_string();
    text.extend(state.seen.pools.rows.iter().filter_map(Pool::line));
    text.extend(state.seen.findings.rows.iter().map(Told::paragraph));
    text
}

#[cfg(not(feature = "track"))]
fn body(_state: &State) -> String {
    String::new()
}

/// The text without control characters: a terminal would obey those in the name of a table.
fn harmless(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character,
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
    }
}
