//! An import.

use sqlx::track;

#[track]
use sqlx::SqlitePool as Pool;

fn main() {}
