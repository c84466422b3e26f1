//! A type alias.

use sqlx::track;

#[track]
type Repo = u8;

fn main() {}
