//! `held_idle` and `held_too_long`: the function that holds a handle, since when, and how it used the handle.

mod idle;
mod limits;
mod repeats;
mod servers;
mod silent;
mod spent;
mod too_long;

use sqlx::leash::{Certainty, Level, Lint};
use sqlx::{SqlitePool, track};

use crate::common::{self, Says};

const IDLE: Says<'static> = Says {
    lint: Lint::HeldIdle,
    level: Level::Warn,
    certainty: Certainty::Certain,
    primary: common::Place {
        file: String::new(),
        line: 0,
        column: 0,
    },
    function: None,
    title: &[],
    related: &[],
    facts: &[],
    help: &[],
};

#[track(held_idle = "50ms")]
async fn waits_for_a_statement(gate: &SqlitePool) {
    let mut conn = gate.acquire().await.unwrap();
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&mut *conn)
        .await
        .unwrap();
}
