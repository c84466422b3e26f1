//! An enum.

use sqlx::track;

#[track]
pub enum Repo {}

fn main() {}
