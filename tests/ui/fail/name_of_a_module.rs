//! A name is one function's.

use sqlx::track;

#[track(name = "exams")]
mod exams {}

fn main() {}
