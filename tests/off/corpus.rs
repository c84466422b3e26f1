//! The corpus of two-mode programs, against the sqlx of each package's `Cargo.toml`, and what is beyond the corpus.

#[path = "../corpus/programs.rs"]
mod corpus;

#[path = "../corpus/beyond.rs"]
mod beyond;

use corpus::clinic;
