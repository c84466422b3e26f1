//! The corpus of two-mode programs, against the sqlx of this package's `Cargo.toml`.

#[path = "../corpus/programs.rs"]
mod corpus;
