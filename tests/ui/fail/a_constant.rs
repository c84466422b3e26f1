//! A constant.

use sqlx::track;

#[track]
const LIMIT: u8 = 3;

fn main() {}
