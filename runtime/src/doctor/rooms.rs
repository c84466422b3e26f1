//! The connections that this process's pools may open, and those that the server grants.

use super::facts::{Facts, Known, Room};
use super::{Program, Reached, Sum};
use crate::measure::units::count;
use crate::snapshot::Check;

/// All connections of the server.
pub(super) fn of_server(program: &Program, reached: &Reached, facts: &Facts) -> Check {
    const NAME: &str = "max_connections";
    if let Reached::Full(why) = reached {
        let text = format!("the server has no connection left for this pool: {why}");
        return Check::warning(NAME, text)
            .program(
                sum_name(program.on_server, ""),
                program.on_server.max_connections,
            )
            .help(format!(
                "open fewer: {}",
                smaller(program, 0, program.on_server)
            ));
    }
    check(
        NAME,
        program,
        program.on_server,
        "on this server",
        facts,
        &facts.server,
    )
}

/// The connections of the user.
pub(super) fn of_user(program: &Program, facts: &Facts) -> Check {
    check(
        "user_connections",
        program,
        program.of_user,
        "of this user",
        facts,
        &facts.user,
    )
}

/// The connections to the database.
pub(super) fn of_database(program: &Program, facts: &Facts) -> Option<Check> {
    let room = facts.database.as_ref()?;
    let sum = program.on_database;
    Some(check(
        "database_connections",
        program,
        sum,
        "to this database",
        facts,
        room,
    ))
}

/// Whether the connections of others decide a check.
pub(super) fn is_tight(program: &Program, facts: &Facts) -> bool {
    let rooms = [
        (program.on_server, Some(&facts.server)),
        (program.of_user, Some(&facts.user)),
        (program.on_database, facts.database.as_ref()),
    ];
    rooms.into_iter().any(|(sum, room)| {
        let Some(Ok(Room {
            limit: Some(limit),
            used: Ok(used),
            ..
        })) = room
        else {
            return false;
        };
        let wanted = sum.max_connections;
        wanted <= *limit && wanted + others(sum, *used) > *limit
    })
}

/// The connections that are not of these pools. One more is the doctor's own.
fn others(sum: Sum, used: u64) -> u64 {
    used.saturating_sub(sum.open + 1)
}

fn sum_name(sum: Sum, which: &str) -> String {
    match sum.pools {
        1 => "max_connections".to_owned(),
        pools => format!("max_connections of {} {which}", count(pools, "pool"))
            .trim_end()
            .to_owned(),
    }
}

fn check(
    name: &'static str,
    program: &Program,
    sum: Sum,
    which: &str,
    facts: &Facts,
    room: &Known<Room>,
) -> Check {
    let may_open = sum.max_connections;
    let check = match room {
        Err(why) => Check::unknown(name, why),
        Ok(room) if facts.has_pooler() => Check::unknown(
            name,
            "a pooler is in between: its connections count on the server, and the pool's count with the pooler",
        )
        .server(&room.name, room.limit),
        Ok(room) => match room.limit {
            None => Check::ok(name, "the server sets no limit").server(&room.name, room.limit),
            Some(limit) => compare(name, program, sum, room, limit).server(&room.name, limit),
        },
    };
    check.program(sum_name(sum, which), may_open)
}

/// Compares what the pools may open with what is granted and what others use.
fn compare(name: &'static str, program: &Program, sum: Sum, room: &Room, limit: u64) -> Check {
    let may_open = sum.max_connections;
    if may_open > limit {
        let text = format!(
            "this process may open {}, and the server grants {limit}; each further instance of the program wants as many",
            count(may_open, "connection")
        );
        return advise(Check::warning(name, text), program, sum, room, limit);
    }
    let others = match &room.used {
        Ok(used) => others(sum, *used),
        Err(why) => {
            return Check::unknown(name, format!("it is not known how many are in use: {why}"));
        }
    };
    if may_open + others > limit {
        let text = format!(
            "this process may open {}, others have {others} open now, and the server grants {limit}",
            count(may_open, "connection")
        );
        return advise(
            Check::warning(name, text),
            program,
            sum,
            room,
            limit.saturating_sub(others),
        );
    }
    let further = (limit - others - may_open) / may_open.max(1);
    Check::ok(
        name,
        format!(
            "others have {others} open now; {} of this program {} in",
            match further {
                0 => "no further instance".to_owned(),
                further => count(further, "further instance"),
            },
            if further <= 1 { "fits" } else { "fit" }
        ),
    )
}

/// Helps where only `left` connections are left for the pools.
fn advise(check: Check, program: &Program, sum: Sum, room: &Room, left: u64) -> Check {
    let missing = sum.max_connections.saturating_sub(left);
    let raised = room.limit.unwrap_or(0) + missing + room.kept_back;
    check
        .help(format!(
            "open fewer, times the instances of the program: {}",
            smaller(program, left, sum)
        ))
        .help(format!(
            "or let the server grant more: `{} {raised}`",
            room.raise
        ))
}

/// Options with which the pools share `left` connections.
fn smaller(program: &Program, left: u64, sum: Sum) -> String {
    match left / sum.pools.max(1) {
        0 => format!("`{}::max_connections(…)`", program.options),
        each if sum.pools < 2 => format!("`{}::max_connections({each})`", program.options),
        each => format!(
            "`{}::max_connections({each})` in each of {} pools",
            program.options, sum.pools
        ),
    }
}
