//! An extern block.

use sqlx::track;

#[track]
unsafe extern "C" {}

fn main() {}
