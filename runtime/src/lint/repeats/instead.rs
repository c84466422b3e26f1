//! What to write instead of a statement that is repeated.

use crate::finding::Lint;
use crate::pool_state::endpoint::System;
use crate::scope::ledger::Line;
use crate::site::tally::Tally;

pub(super) fn helps(
    of: Lint,
    line: &Line,
    system: System,
    read_before: Option<&'static Tally>,
) -> Vec<String> {
    if of == Lint::RedundantQuery {
        return once(line);
    }
    if line.common.recurs() && !line.tally.writes() {
        return vec![tree(system)];
    }
    let mut helps = vec![match operation(line.tally) {
        "INSERT" | "REPLACE" => insert(system),
        "UPDATE" => update(system),
        "DELETE" => delete(system),
        _ => read(system),
    }];
    if let Some(read) = read_before.filter(|_| !line.tally.writes()) {
        helps.push(format!(
            "or let `{}` read both: a JOIN returns the rows in one statement",
            read.summary
        ));
    }
    helps
}

/// The first word of a text.
pub(super) fn operation(tally: &Tally) -> &str {
    tally.summary.split(' ').next().unwrap_or_default()
}

fn tree(system: System) -> String {
    let base = match system {
        System::Postgres => "$1",
        _ => "?",
    };
    format!(
        "read the whole tree in one statement: `WITH RECURSIVE node AS (SELECT … WHERE id = {base} UNION ALL SELECT … JOIN node ON …) SELECT * FROM node`"
    )
}

fn read(system: System) -> String {
    match system {
        System::Postgres => {
            "read all of them in one statement: `WHERE id = ANY($1)`, with `.bind(&ids)`".to_owned()
        }
        System::Sqlite => {
            "read all of them in one statement: `WHERE id IN (SELECT value FROM json_each(?))`, with the list bound as JSON".to_owned()
        }
        System::MySql | System::Other => format!(
            "read all of them in one statement, built by `QueryBuilder`: `WHERE id IN (…)`{IN_CHUNKS}"
        ),
    }
}

const IN_CHUNKS: &str = ", for each of `ids.chunks(1000)`";

fn insert(system: System) -> String {
    match system {
        System::Postgres => {
            "write all rows in one statement: `INSERT … SELECT * FROM UNNEST($1::bigint[], $2::text[])`, with one array for each column; for very many rows, `copy_in_raw`"
                .to_owned()
        }
        System::MySql | System::Sqlite | System::Other => format!(
            "write all rows in one statement, built by `QueryBuilder::push_values`{IN_CHUNKS}"
        ),
    }
}

fn update(system: System) -> String {
    match system {
        System::Postgres => {
            "write all rows in one statement: `UPDATE … FROM UNNEST($1::bigint[], $2::text[]) AS new(id, value) WHERE …`, with one array for each column"
        }
        System::Sqlite => {
            "write all rows in one statement: `UPDATE … FROM json_each(?) AS new WHERE …`, with the rows bound as JSON"
        }
        System::MySql | System::Other => {
            "write all rows in one statement: `UPDATE … SET value = CASE id WHEN … END WHERE id IN (…)`, built by `QueryBuilder`"
        }
    }
    .to_owned()
}

fn delete(system: System) -> String {
    match system {
        System::Postgres => {
            "delete all of them in one statement: `WHERE id = ANY($1)`, with `.bind(&ids)`".to_owned()
        }
        System::Sqlite => {
            "delete all of them in one statement: `WHERE id IN (SELECT value FROM json_each(?))`, with the list bound as JSON".to_owned()
        }
        System::MySql | System::Other => format!(
            "delete all of them in one statement, built by `QueryBuilder`: `WHERE id IN (…)`{IN_CHUNKS}"
        ),
    }
}

fn once(line: &Line) -> Vec<String> {
    // The repetitions of what is only estimated are not counted.
    let at_least = if line.arguments.is_estimate() {
        "at least "
    } else {
        ""
    };
    vec![
        "read it once, before the code that repeats it, and pass the value on".to_owned(),
        "or keep it in a value that lives as long as the request".to_owned(),
        format!(
            "or, where several requests read it, cache it: `leash::cache::Cached` would have saved {at_least}{} of these {} calls",
            super::spared(line),
            line.calls
        ),
    ]
}
