//! A module that is elsewhere.

use sqlx::track;

#[track]
#[path = "../pass/options.rs"]
mod elsewhere;

fn main() {}
