//! What ran, as a table for the message of a failed assertion.

use comfy_table::{CellAlignment, Table, presets};

use crate::measure::units::count;
use crate::report::line::short_name;
use crate::scope::record::Sent;
use crate::source::function::Function;

/// What is not seen of the statements of a test.
pub(super) const UNSEEN: &str =
    "statements of tasks that are spawned without `in_current_scope()` do not count";
/// The message of a failed assertion stays readable.
const MOST_ROWS: usize = 40;

/// A table of rows whose first `numbers` columns are aligned right. Rows beyond a limit are only counted.
pub(super) fn table(header: Vec<String>, numbers: usize, rows: Vec<Vec<String>>) -> String {
    let further = rows.len().saturating_sub(MOST_ROWS);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.add_rows(rows.into_iter().take(MOST_ROWS));
    for column in table.column_iter_mut().take(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    if further > 0 {
        lines.push(format!(" and {}", count(further as u64, "further row")));
    }
    lines.join("\n")
}

/// The headings of [`named`].
pub(super) fn headings() -> [String; 3] {
    ["statement", "function", "call site"].map(str::to_owned)
}

/// What was sent, in which function and where.
pub(super) fn named(summary: String, function: Option<&Function>, place: String) -> [String; 3] {
    let function = match function {
        Some(function) if function.options().is_of_test() => "(the test)",
        Some(function) => short_name(function.name()),
        None => "",
    };
    [summary, function.to_owned(), place]
}

/// The place as text.
pub(super) fn place_of(sent: &Sent) -> String {
    sent.place
        .map_or_else(|| "(not tracked)".to_owned(), |place| format!("{place:?}"))
}

/// All that was sent, the most frequent first.
pub(super) fn all(mut sent: Vec<Sent>) -> String {
    sent.sort_by_cached_key(|row| {
        let place = row
            .place
            .map(|place| (place.file, place.line, place.column));
        (u64::MAX - row.calls, place, row.sql.clone())
    });
    let rows = sent.into_iter().map(|row| {
        let (place, function) = (place_of(&row), row.function());
        let mut cells = vec![row.calls.to_string()];
        cells.extend(named(row.summary, function, place));
        cells
    });
    let mut header = vec!["calls".to_owned()];
    header.extend(headings());
    table(header, 1, rows.collect())
}
