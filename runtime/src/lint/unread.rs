//! How findings describe a connection that reads what a dropped statement has left unread.

use super::describe::taker;
use crate::finding::Related;
use crate::handle::Handle;
use crate::handle::unread::Unread;
use crate::measure::units::count;
use crate::source::place::Place;

/// What was dropped, and by whom: `shop::preview dropped the rows of SELECT exam after 1 row`.
pub(super) fn dropped(unread: &Unread) -> String {
    let who = unread
        .tally
        .place()
        .map_or_else(|| "code".to_owned(), taker);
    let what = &unread.tally.summary;
    if unread.answered {
        let rows = count(unread.rows, "row");
        format!("{who} dropped the rows of `{what}` after {rows}")
    } else {
        format!("{who} dropped `{what}` before its answer came")
    }
}

/// Why a return takes that long.
pub(super) fn cause(unread: &Unread) -> String {
    let dropped = dropped(unread);
    if unread.answered {
        format!("{dropped}, and the connection reads all that are left before its permit is free")
    } else {
        format!(
            "{dropped}: the connection waits until the server has ended that statement, or the server does not answer at all"
        )
    }
}

/// The place of the dropped statement.
pub(super) fn place(unread: &Unread) -> Option<Related> {
    let label = if unread.answered {
        format!(
            "dropped after {}, the rest is being read",
            count(unread.rows, "row")
        )
    } else {
        "dropped before its answer came".to_owned()
    };
    unread.tally.place().map(|place| Related::new(label, place))
}

/// How to leave nothing unread, or to give up the connection together with it.
pub(super) fn help(handle: &Handle, unread: &Unread) -> Vec<String> {
    let at = unread.tally.place().map(at).unwrap_or_default();
    if unread.answered {
        let rows = unread.rows.max(1);
        return vec![
            format!("ask for no more rows than are read, as with `LIMIT {rows}`{at}, or read the stream to its end"),
            "or give up the connection with the rows: take it by `pool.acquire().await?`, read from `&mut *conn`, and end with \
             `conn.close().await?` instead of its return to the pool"
                .to_owned(),
        ];
    }
    let mut help = Vec::new();
    if let Some(limit) = handle.pool.endpoint.system.statement_limit() {
        help.push(format!(
            "let the server end a statement that takes too long, instead of dropping it{at}: {limit}"
        ));
    }
    help.push("or limit the time of a return: `SQLX_LEASH=\"return_timeout=10s\"` or `leash::Config::return_timeout`".to_owned());
    help
}

fn at(place: Place) -> String {
    format!(" at {}:{}", place.file, place.line)
}
