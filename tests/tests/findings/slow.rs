//! `slow_query`: reported while the statement runs, or else at its end. Only the statement's own time counts.

mod found;
mod levels;
mod locks;
mod servers;
mod silent;
mod sqlite;

use sqlx::leash::{Certainty, Level, Lint};

use crate::common::{Place, Says};

fn says(primary: Place, function: &'static str) -> Says<'static> {
    Says {
        lint: Lint::SlowQuery,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary,
        function: Some(function),
        title: &[],
        related: &[],
        facts: &[],
        help: &[],
    }
}
