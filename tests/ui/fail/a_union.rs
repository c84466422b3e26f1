//! A union.

use sqlx::track;

#[track]
union Repo {
    number: u8,
}

fn main() {}
