//! A struct.

use sqlx::track;

#[track]
struct Repo;

fn main() {}
