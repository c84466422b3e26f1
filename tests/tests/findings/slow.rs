//! `slow_query`: told while the statement runs, else at its end; its own time only.

mod found;
mod levels;
mod servers;
mod silent;

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
