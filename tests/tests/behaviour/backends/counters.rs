//! The same statements are counted alike on every backend.

#[path = "counters/calls.rs"]
mod calls;
#[path = "counters/outcomes.rs"]
mod outcomes;

use super::Db;

type Pool = sqlx::Pool<Db>;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";
