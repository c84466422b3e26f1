//! A macro.

use sqlx::track;

#[track]
macro_rules! nothing {
    () => {};
}

fn main() {}
