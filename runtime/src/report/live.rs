//! Live handles and waiting acquires, as lines: one by one where they are few, else by place.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};

use super::line::short_name;
use crate::finding::CallSite;
use crate::measure::units::{count, percent, short};
use crate::snapshot::{HandleInfo, SiteHandles, Snapshot, WaiterInfo};

/// This many are listed one by one, and this many places: they fit a screen.
const LISTED: usize = 20;

const COLUMNS: [&str; 8] = [
    "handles", "oldest", "idle", "idle now", "in tx", "pool", "function", "taken at",
];
/// The first of the columns of words. The numbers before it are aligned right.
const WORDS: usize = 5;

/// The live handles of a snapshot, the longest unused first.
pub(super) fn handle_lines(snapshot: &Snapshot) -> Vec<String> {
    if snapshot.handles.len() > LISTED {
        return site_lines(&snapshot.by_site(), snapshot.handles.len());
    }
    let mut handles: Vec<_> = snapshot.handles.iter().collect();
    handles.sort_by_key(|handle| Reverse((handle.unused(), handle.age)));
    handles.into_iter().map(handle_line).collect()
}

fn site_lines(sites: &[SiteHandles], handles: usize) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(COLUMNS);
    for site in sites.iter().take(LISTED) {
        table.add_row(row(site));
    }
    for column in table.column_iter_mut().take(WORDS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut lines = vec![format!(
        "{handles} live handles, by the place that took them:"
    )];
    lines.extend(table.lines().map(|line| line.trim_end().to_owned()));
    let rest = sites.iter().skip(LISTED);
    let (places, more) = rest.fold((0, 0), |(places, more), site| {
        (places + 1, more + site.handles)
    });
    if places > 0 {
        let (places, more) = (count(places, "more place"), count(more, "handle"));
        lines.push(format!("and {places} with {more}"));
    }
    lines
}

fn row(site: &SiteHandles) -> [String; COLUMNS.len()] {
    let handles = match site.max_connections {
        Some(permits) => format!("{} of {permits}", site.handles),
        None => site.handles.to_string(),
    };
    let reserved = match site.reserved {
        0 => String::new(),
        reserved => format!(" ({reserved} reserved)"),
    };
    let function = site.site.function.as_deref();
    [
        handles,
        short(site.oldest),
        percent(site.idle_share()),
        site.idle_now.to_string(),
        site.in_transaction.to_string(),
        site.pool.clone(),
        function.map(short_name).unwrap_or_default().to_owned(),
        format!("{}{reserved}", site.site),
    ]
}

fn handle_line(handle: &HandleInfo) -> String {
    let activity = match handle.idle {
        Some(idle) => format!("idle for {}", short(idle)),
        None => format!("{:?}", handle.activity).to_lowercase(),
    };
    let mut line = format!(
        "handle of pool {} held for {}, {activity}, taken at {}",
        handle.pool,
        short(handle.age),
        handle.site
    );
    if let Some(function) = &handle.site.function {
        line += &format!(" in {function}");
    }
    if handle.transaction_depth > 0 {
        line += ", in a transaction";
    }
    let transaction = handle.transaction.as_ref();
    match transaction.and_then(|transaction| transaction.failure.as_ref()) {
        Some(failure) if failure.rolled_back => line += " that the database has rolled back",
        Some(_) => line += " that the database has failed",
        None => {}
    }
    match (&handle.reserved, &handle.scope, handle.handed_up.last()) {
        (Some(reason), ..) => line += &format!(", reserved: {reason}"),
        (None, Some(scope), _) => line += &format!(", belongs to {scope}"),
        (None, None, Some(last)) => line += &format!(", out of all scopes since {last} ended"),
        (None, None, None) => line += ", unscoped",
    }
    line
}

/// The acquires that wait, the longest wait first.
pub(super) fn waiter_lines(waiters: &[WaiterInfo]) -> Vec<String> {
    if waiters.len() <= LISTED {
        return waiters.iter().map(waiter_line).collect();
    }
    let mut places: BTreeMap<(u64, &CallSite), (&WaiterInfo, u64)> = BTreeMap::new();
    for waiter in waiters {
        let place = (waiter.pool_id, &waiter.site);
        places.entry(place).or_insert((waiter, 0)).1 += 1;
    }
    let mut places: Vec<_> = places.into_values().collect();
    places.sort_by_key(|(longest, _)| Reverse(longest.age));
    let listed = places.iter().take(LISTED);
    let mut lines: Vec<_> = listed
        .map(|(longest, number)| match number - 1 {
            0 => waiter_line(longest),
            more => format!("{}, and {more} more there", waiter_line(longest)),
        })
        .collect();
    let rest = places.iter().skip(LISTED);
    let (places, more) = rest.fold((0, 0), |(places, more), (_, number)| {
        (places + 1, more + number)
    });
    if places > 0 {
        let (places, more) = (count(places, "more place"), count(more, "waiting acquire"));
        lines.push(format!("and {places} with {more}"));
    }
    lines
}

fn waiter_line(waiter: &WaiterInfo) -> String {
    let mut line = format!(
        "waiting for pool {} for {}, asked at {}",
        waiter.pool,
        short(waiter.age),
        waiter.site
    );
    if let Some(function) = &waiter.scope {
        line += &format!(" in {function}");
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::snapshot::Activity;

    /// A handle that was taken on this line, held for this number of seconds, and not used.
    fn idle(id: u64, pool_id: u64, line: u32, seconds: u64) -> HandleInfo {
        let age = Duration::from_secs(seconds);
        HandleInfo {
            id,
            pool: "clinic".to_owned(),
            pool_id,
            site: CallSite::new("src/exam.rs", line, 5, Some("clinic::exam::ExamRepo::find")),
            scope: None,
            handed_up: Vec::new(),
            span: None,
            task: None,
            age,
            activity: Activity::Idle,
            idle: Some(age),
            busy_total: Duration::ZERO,
            idle_total: age,
            lent_total: Duration::ZERO,
            lent_to: None,
            transaction_depth: 0,
            transaction: None,
            session_locks: Vec::new(),
            statements: 0,
            stream_rows: 0,
            reserved: None,
            operations: Vec::new(),
        }
    }

    fn of(handles: Vec<HandleInfo>) -> Snapshot {
        Snapshot {
            handles,
            ..Snapshot::default()
        }
    }

    /// The line that a line of the table is about.
    fn source(line: &str) -> u32 {
        let (_, place) = line.split_once("src/exam.rs:").expect("a place");
        place.split(':').next().unwrap().parse().unwrap()
    }

    #[test]
    fn few_handles_have_a_line_each_the_longest_unused_first() {
        let busy = HandleInfo {
            activity: Activity::Busy,
            busy_total: Duration::from_secs(500),
            ..idle(1, 1, 500, 0)
        };
        let listens = HandleInfo {
            reserved: Some("it listens".to_owned()),
            ..idle(2, 1, 900, 900)
        };
        let lent = HandleInfo {
            activity: Activity::Lent,
            lent_total: Duration::from_secs(70),
            ..idle(3, 1, 70, 0)
        };
        let handles = vec![listens, busy, lent, idle(4, 1, 80, 80), idle(5, 1, 60, 60)];
        let lines = handle_lines(&of(handles));
        let places: Vec<_> = lines.iter().map(|line| source(line)).collect();
        assert_eq!(places, [80, 70, 60, 900, 500]);
    }

    #[test]
    fn a_screen_is_listed_one_by_one_and_more_by_place() {
        let handles = |number: u64| of((0..number).map(|id| idle(id, 1, 7, 1)).collect());
        assert_eq!(handle_lines(&handles(20)).len(), 20);
        let lines = handle_lines(&handles(21));
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert_eq!(lines[0], "21 live handles, by the place that took them:");
    }

    #[test]
    fn thousands_of_handles_are_a_screen() {
        const HANDLES: u64 = 100_000;
        let handle = |id: u64| match id % 1_000 {
            // Every other handle was leaked on one line.
            even if even % 2 == 0 => idle(id, 1, 7, 60),
            odd => idle(id, 1, u32::try_from(1_000 + odd).unwrap(), 1),
        };
        let snapshot = of((0..HANDLES).map(handle).collect());
        let began = Instant::now();
        let rows = snapshot.by_site();
        println!("{HANDLES} handles: {:?}", began.elapsed());
        assert_eq!(rows.len(), 501);
        assert_eq!(rows.iter().map(|row| row.handles).sum::<u64>(), HANDLES);
        assert_eq!((rows[0].site.line, rows[0].handles), (7, HANDLES / 2));
        assert_eq!(rows[0].oldest, Duration::from_mins(1));
        assert_eq!(rows[0].idle_total, Duration::from_secs(60 * HANDLES / 2));
        let lines = handle_lines(&snapshot);
        assert_eq!(lines.len(), 1 + 1 + LISTED + 1, "{lines:#?}");
        assert_eq!(source(&lines[2]), 7);
        assert_eq!(lines[LISTED + 2], "and 481 more places with 48100 handles");
    }

    #[test]
    fn pools_of_one_name_have_rows_of_their_own() {
        let rows = of(vec![idle(1, 1, 7, 1), idle(2, 2, 7, 1), idle(3, 2, 7, 1)]).by_site();
        let seen: Vec<_> = rows.iter().map(|row| (row.pool_id, row.handles)).collect();
        assert_eq!(seen, [(2, 2), (1, 1)]);
    }

    #[test]
    fn many_waiters_have_a_line_for_each_place() {
        let waiter = |number: u64| WaiterInfo {
            pool: "clinic".to_owned(),
            pool_id: 1,
            site: CallSite::new(
                "src/exam.rs",
                u32::try_from(number % 2 + 1).unwrap(),
                5,
                None,
            ),
            scope: None,
            span: None,
            task: None,
            age: Duration::from_secs(5_000 - number),
        };
        let few: Vec<_> = (0..20).map(waiter).collect();
        assert_eq!(waiter_lines(&few).len(), 20);
        let many: Vec<_> = (0..5_000).map(waiter).collect();
        assert_eq!(
            waiter_lines(&many),
            [
                "waiting for pool clinic for 83.3 min, asked at src/exam.rs:1:5, and 2499 more there",
                "waiting for pool clinic for 83.3 min, asked at src/exam.rs:2:5, and 2499 more there",
            ]
        );
    }
}
