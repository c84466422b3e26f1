//! A macro call.

use sqlx::track;

macro_rules! nothing {
    () => {};
}

#[track]
nothing!();

fn main() {}
