//! The summary of a database: for each operation that programs use most, what the wrappers add to plain sqlx. It is
//! Markdown, to be copied.

use crate::cost::{Cost, signed};

/// The operations in the summary, and whether each has a row for every kind of pool. The others do not take the paths
/// in which pools differ, or take so much longer that the difference is lost in them.
const OPERATIONS: [(&str, bool); 9] = [
    ("empty function", false),
    ("SELECT 1, connection", false),
    ("SELECT 1, &pool", true),
    ("INSERT, &pool", true),
    ("acquire and release", true),
    ("begin and commit", true),
    ("begin, INSERT, commit", true),
    ("1000 rows, query_as", false),
    ("1000 rows, query_as stream", false),
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

/// What each operation costs on the pools of a database that have that minimum of connections.
pub(crate) struct OfPools {
    pub(crate) minimum: u32,
    pub(crate) costs: Vec<(&'static str, Vec<Cost>)>,
}

impl OfPools {
    fn of(&self, operation: &str) -> Option<&[Cost]> {
        let (_, costs) = (self.costs.iter()).find(|(name, _)| *name == operation)?;
        Some(costs)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let costs = self.costs.iter().flat_map(|(_, costs)| costs);
        costs.map(|cost| cost.name)
    }
}

/// Prints a table of the times, and one of what can be counted.
pub(crate) fn print(database: &str, pools: &[OfPools]) {
    println!("\n{database}: µs of CPU time\n");
    print_table(pools, |cost| {
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
    println!("\n{database}: instructions; allocations; wake-ups\n");
    print_table(pools, |cost| {
        let number = |value, digits| signed(value, digits, !cost.is_base);
        let instructions = match cost.instructions {
            Some(count) => number(count, 0),
            None => "?".to_owned(),
        };
        let allocations = number(cost.allocations, 1);
        format!("{instructions}; {allocations}; {}", number(cost.wakeups, 1))
    });
}

fn print_table(pools: &[OfPools], cell: impl Fn(&Cost) -> String) {
    let contenders: Vec<&str> = (CONTENDERS.into_iter())
        .filter(|name| {
            pools
                .iter()
                .any(|pools| pools.names().any(|of| of == *name))
        })
        .collect();
    // As code: rustdoc would look for a link in brackets.
    let names = contenders.iter().map(|name| format!("`{name}`"));
    let mut rows = vec![std::iter::once(String::new()).chain(names).collect()];
    rows.push(vec!["---".to_owned(); contenders.len() + 1]);
    for (operation, by_minimum) in OPERATIONS {
        let pools = if by_minimum { pools } else { &pools[..1] };
        for of_pools in pools {
            let Some(costs) = of_pools.of(operation) else {
                continue;
            };
            let cells = contenders.iter().map(|name| {
                let cost = costs.iter().find(|cost| cost.name == *name);
                cost.map(&cell).unwrap_or_default()
            });
            let name = match of_pools.minimum {
                0 => operation.to_owned(),
                minimum => format!("{operation}, minimum {minimum}"),
            };
            rows.push(std::iter::once(name).chain(cells).collect::<Vec<_>>());
        }
    }
    print_aligned(&rows);
}

fn print_aligned(rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    for row in rows {
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
