//! File, line, column and function of every call site, compared with the source.

mod awaits;
mod callers;
mod functions;
mod shown;

use crate::common::{Place, marked, rows_of};

/// Asserts that `function` sent its statements from these places, once each, in the order of the lines.
#[track_caller]
fn check(function: &str, places: &[(&str, &str)]) {
    let mut expected = Vec::new();
    // Not in a closure: `#[track_caller]` would report this file.
    for (marker, word) in places {
        expected.push(marked(marker, word));
    }
    assert_eq!(called_from(function), expected, "{function}");
}

fn called_from(function: &str) -> Vec<Place> {
    let mut rows = rows_of(function);
    rows.sort_by_key(|row| (row.line, row.column));
    assert!(
        rows.iter().all(|row| row.calls == 1 && row.ok == 1),
        "once each: {rows:#?}"
    );
    rows.into_iter()
        .map(|row| Place {
            file: row.file.unwrap(),
            line: row.line,
            column: row.column,
        })
        .collect()
}
