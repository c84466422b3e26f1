//! The requests of a snapshot as a table.

use comfy_table::{CellAlignment, Table, presets};

use crate::measure::units::{decimal, short};
use crate::snapshot::RequestStats;

const COLUMNS: [&str; 14] = [
    "requests",
    "in flight",
    "cancelled",
    "failed",
    "5xx",
    "over budget",
    "statements each",
    "most",
    "p50 with the database",
    "p99",
    "waiting",
    "time p99",
    "request",
    "repeated",
];
/// The first of the columns of words. The numbers before it are aligned right.
const WORDS: usize = 12;

/// The lines of the table; none without a request.
pub(super) fn request_lines(requests: &[RequestStats]) -> Vec<String> {
    if requests.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(COLUMNS);
    for request in requests {
        table.add_row(row(request));
    }
    for column in table.column_iter_mut().take(WORDS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.lines();
    lines.map(|line| line.trim_end().to_owned()).collect()
}

fn row(request: &RequestStats) -> [String; COLUMNS.len()] {
    let repeated = request.repeated.first();
    [
        request.requests.to_string(),
        request.in_flight().to_string(),
        request.cancelled.to_string(),
        request.failed.to_string(),
        request.statuses.server_error.to_string(),
        request.over_budget.to_string(),
        decimal(request.mean_statements()),
        request.most_statements.to_string(),
        short(request.database.p50()),
        short(request.database.p99()),
        short(request.wait.total),
        short(request.time.p99()),
        request.name(),
        repeated
            .map(|it| format!("{} ×{}", it.summary, it.most))
            .unwrap_or_default(),
    ]
}
