//! Help in code: how a function does with the connection that is held, or releases it.

use super::describe::{holder, is_begun_by_statement, taker};
use crate::handle::Handle;
use crate::pool_state::endpoint::Endpoint;
use crate::scope::Scope;
use crate::snapshot::{Activity, HandleInfo};
use crate::source::function::Function;

/// How a handle is declared as meant to live long.
pub(super) const LONG_LIVED: &str = "`.long_lived(\"…\")`, with `use sqlx::leash::HandleExt`";

/// How all rows of a stream are read.
pub(super) const READ_ALL: &str =
    "`let rows: Vec<_> = stream.try_collect().await?`, with `use futures::TryStreamExt`";

/// A permit that is taken, or waited for, while the first one is held.
pub(super) struct Second<'a> {
    pub(super) handle: &'a Handle,
    pub(super) first: &'a Handle,
    /// The functions between the two, outermost first.
    pub(super) between: &'a [&'static Function],
}

impl Second<'_> {
    /// How the code that takes the second permit can do with the first one alone.
    pub(super) fn helps(&self, first: &HandleInfo) -> Vec<String> {
        vec![self.instead(first), release_before(first)]
    }

    /// Whether the second permit is taken in a task that has taken the scope of the first along.
    fn is_in_another_task(&self) -> bool {
        let (Some(owner), Some(inner)) = (self.first.scope(), self.handle.scope()) else {
            return false;
        };
        let mut between = inner
            .chain()
            .take_while(|around| !std::ptr::eq(*around, &raw const *owner));
        between.any(Scope::is_branch)
    }

    /// How it can send its statements on the connection that is held.
    pub(super) fn instead(&self, first: &HandleInfo) -> String {
        if first.activity == Activity::Streaming {
            return format!("read all rows first, then acquire the connection: {READ_ALL}");
        }
        let (function, variable) = (taker(self.handle.place), variable(first));
        let is_query = self.handle.purpose.is_query();
        if self.first.left_in().is_some() {
            let (owner, what) = (
                taker(self.first.place),
                if is_query {
                    "the query"
                } else {
                    "its statements"
                },
            );
            return format!(
                "send {what} on the connection in the value that {owner} returned: `&mut *{variable}`; or let {owner} return the pool in its place"
            );
        }
        if function == holder(self.first) {
            return if is_query {
                format!(
                    "send the query on the connection that is held: `&mut *{variable}` instead of the pool"
                )
            } else {
                format!("use the connection that is held: `&mut *{variable}`")
            };
        }
        let parameter = parameter(&self.handle.pool.endpoint);
        let own = self.handle.place.function;
        if !own.is_some_and(is_method_of_pool) {
            return format!(
                "let {function} take the connection as a parameter, {parameter}, and pass `&mut {variable}`{}",
                if self.is_in_another_task() {
                    ", without a task of its own, which cannot borrow it"
                } else {
                    ""
                }
            );
        }
        // A method of the pool cannot take a connection. Its nearest caller that is none can.
        let caller = self.between.iter().rev().find(|it| !is_method_of_pool(it));
        match caller {
            Some(caller) => format!(
                "let {} take the connection as a parameter, {parameter}, pass `&mut {variable}`, and let it send there what {function} sends to the pool",
                caller.name()
            ),
            None => format!(
                "send what {function} sends to the pool on the connection that is held: `&mut *{variable}`"
            ),
        }
    }
}

/// Whether the function is a method that a trait adds to sqlx's pool.
fn is_method_of_pool(function: &Function) -> bool {
    function.name().starts_with("<Pool as ")
}

/// A parameter that takes a connection or a transaction, and keeps it known.
pub(super) fn parameter(endpoint: &Endpoint) -> String {
    let database = match endpoint.connection {
        "PgConnection" => "Postgres",
        connection => connection.strip_suffix("Connection").unwrap_or(connection),
    };
    match database.strip_suffix("::") {
        Some(generic) => format!("`conn: &mut leash::Conn<'_, {generic}>` with `use sqlx::leash`"),
        None => format!(
            "`conn: &mut leash::Conn<'_, {database}>` with `use sqlx::{{{database}, leash}}`"
        ),
    }
}

pub(super) fn release_before(first: &HandleInfo) -> String {
    match first.activity {
        Activity::Streaming => "or release the first one before: `drop(stream)`".to_owned(),
        _ if is_begun_by_statement(first) => {
            "or, if it need not be part of the transaction, send the COMMIT before".to_owned()
        }
        _ if first.transaction_depth > 0 => {
            "or, if it need not be part of the transaction, commit before: `tx.commit().await?`"
                .to_owned()
        }
        _ => "or release the first one before: `drop(conn)`".to_owned(),
    }
}

/// The usual name of its variable.
fn variable(handle: &HandleInfo) -> &'static str {
    if handle.transaction_depth > 0 && !is_begun_by_statement(handle) {
        "tx"
    } else {
        "conn"
    }
}
