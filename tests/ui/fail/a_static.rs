//! A static.

use sqlx::track;

#[track]
static LIMIT: u8 = 3;

fn main() {}
