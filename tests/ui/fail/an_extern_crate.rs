//! An extern crate.

use sqlx::track;

#[track]
extern crate std as other;

fn main() {}
