//! A snapshot as a table.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use super::line::{connections_line, demand_line, place_of, pool_line, short_name};
use super::live::{handle_lines, waiter_lines};
use super::requests::request_lines;
use crate::config;
use crate::measure::units::{count, short};
use crate::snapshot::{AcquireStats, SiteStats, Snapshot};

const COLUMNS: [&str; 12] = [
    "calls",
    "saved",
    "errors",
    "cancelled",
    "rows",
    "p50",
    "p95",
    "p99",
    "total",
    "statement",
    "function",
    "call site",
];
/// A place has a line of its own where its waits are at least this long, or where one failed.
const A_LONG_WAIT: Duration = Duration::from_millis(100);
/// The column that is left out where nothing was saved: most programs have no cache.
const SAVED: usize = 1;
/// The first of the columns of words. The numbers before it are aligned right.
const WORDS: usize = 9;

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        let has_saved = self.sites.iter().any(|site| site.saved > 0);
        let shown = |column: usize| has_saved || column != SAVED;
        table
            .load_style(presets::NOTHING)
            .set_header(chosen(COLUMNS, shown));
        for site in &self.sites {
            table.add_row(chosen(row(site), shown));
        }
        let numbers = (0..WORDS).filter(|column| shown(*column)).count();
        for column in table.column_iter_mut().take(numbers) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let mut lines: Vec<String> = table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        lines.extend(request_lines(&self.requests));
        if config::is_off() {
            lines.push("sqlx-leash is switched off: nothing is counted".to_owned());
        }
        for pool in &self.pools {
            lines.push(pool_line(pool));
            let connections = pool.connections.as_ref().and_then(connections_line);
            let more = demand_line(&pool.demand).into_iter().chain(connections);
            lines.extend(more.map(|line| format!("  {line}")));
        }
        let queues = self.acquires.iter().filter(|row| is_worth_a_line(row));
        lines.extend(queues.map(queue_line));
        lines.extend(handle_lines(self));
        lines.extend(waiter_lines(&self.waiters));
        f.write_str(&lines.join("\n"))
    }
}

/// The cells of the columns that are shown.
fn chosen<T>(cells: [T; COLUMNS.len()], shown: impl Fn(usize) -> bool) -> Vec<T> {
    let cells = cells.into_iter().enumerate();
    cells
        .filter(|(column, _)| shown(*column))
        .map(|(_, cell)| cell)
        .collect()
}

fn row(site: &SiteStats) -> [String; COLUMNS.len()] {
    // One column for rows read and rows written: a statement rarely does both, and the snapshot has both numbers.
    let rows = site.rows_returned.max(site.rows_affected);
    let statement = if site.texts > 1 {
        format!("{} (about {})", site.summary, site.texts)
    } else {
        site.summary.clone()
    };
    [
        site.calls.to_string(),
        site.saved.to_string(),
        site.errors.to_string(),
        site.cancelled.to_string(),
        rows.to_string(),
        short(site.time.p50()),
        short(site.time.p95()),
        short(site.time.p99()),
        short(site.time.total),
        statement,
        site.function
            .as_deref()
            .map(short_name)
            .unwrap_or_default()
            .to_owned(),
        place_of(site),
    ]
}

fn is_worth_a_line(row: &AcquireStats) -> bool {
    row.timeouts > 0 || row.abandoned > 0 || row.errors > 0 || row.wait.p99() >= A_LONG_WAIT
}

fn queue_line(row: &AcquireStats) -> String {
    let mut line = format!(
        "queued at {}: {} acquired, wait p50 {} p99 {}",
        row.site,
        row.acquired,
        short(row.wait.p50()),
        short(row.wait.p99())
    );
    for (number, noun) in [
        (row.timeouts, "timeout"),
        (row.abandoned, "abandoned wait"),
        (row.errors, "error"),
    ] {
        if number > 0 {
            line += &format!(", {}", count(number, noun));
        }
    }
    if let Some(function) = &row.site.function {
        line += &format!(", in {function}");
    }
    line
}
