//! A module that is elsewhere.

use sqlx::track;

#[track]
#[path = "../../src/settled.rs"]
mod elsewhere;

fn main() {}
