//! The summary of a run: for each operation that programs use most, what the wrappers add to plain sqlx. It is
//! Markdown, to be copied.

use crate::cost::{Cost, signed};

/// The operations in the summary.
const OPERATIONS: [&str; 9] = [
    "empty function",
    "SELECT 1, &pool",
    "INSERT, &pool",
    "begin, INSERT, commit",
    "SELECT 1, connection",
    "1000 rows, query_as",
    "1000 rows, query_as stream",
    "acquire and release",
    "begin and commit",
];

/// The contenders in the summary.
const CONTENDERS: [&str; 9] = [
    "plain",
    "A/A",
    "#[instrument]",
    "sqlx-datadog",
    "sqlx-otel",
    "sqlx-tracing",
    "leash, bare",
    "leash, #[track]",
    "leash DEBUG",
];

/// Prints a table of the times, and one of what can be counted. Each has a row for each operation.
pub(crate) fn print(title: &str, costs: &[(&str, Vec<Cost>)]) {
    println!("\n{title}: µs of CPU time\n");
    print_table(costs, |cost| {
        let microseconds = |nanoseconds: f64| {
            let digits = if nanoseconds.abs() < 100_000.0 { 2 } else { 0 };
            signed(nanoseconds / 1_000.0, digits, !cost.is_base)
        };
        if cost.is_base {
            microseconds(cost.cpu.value)
        } else {
            let reach = (cost.cpu.high - cost.cpu.low) / 2.0;
            format!("{} ±{:.2}", microseconds(cost.cpu.value), reach / 1_000.0)
        }
    });
    println!("\n{title}: instructions; allocations; wake-ups\n");
    print_table(costs, |cost| {
        let number = |value, digits| signed(value, digits, !cost.is_base);
        let instructions = match cost.instructions {
            Some(count) => number(count, 0),
            None => "?".to_owned(),
        };
        let allocations = number(cost.allocations, 1);
        format!("{instructions}; {allocations}; {}", number(cost.wakeups, 1))
    });
}

fn print_table(costs: &[(&str, Vec<Cost>)], cell: impl Fn(&Cost) -> String) {
    let contenders: Vec<&str> = (CONTENDERS.into_iter())
        .filter(|name| (costs.iter()).any(|(_, costs)| costs.iter().any(|cost| cost.name == *name)))
        .collect();
    let row = |operation: &str| {
        let (_, costs) = costs.iter().find(|(name, _)| *name == operation)?;
        let cells = contenders.iter().map(|name| {
            let cost = costs.iter().find(|cost| cost.name == *name);
            cost.map(&cell).unwrap_or_default()
        });
        Some(
            std::iter::once(operation.to_owned())
                .chain(cells)
                .collect::<Vec<_>>(),
        )
    };
    // As code: rustdoc would look for a link in brackets.
    let names = contenders.iter().map(|name| format!("`{name}`"));
    let head = std::iter::once(String::new()).chain(names);
    let mut rows = vec![head.collect::<Vec<_>>()];
    rows.push(vec!["---".to_owned(); contenders.len() + 1]);
    rows.extend(OPERATIONS.into_iter().filter_map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column).unwrap_or_default();
            if column == 0 {
                print!("| {cell:<width$} |");
            } else {
                print!(" {cell:>width$} |");
            }
        }
        println!();
    }
}
