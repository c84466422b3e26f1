//! The corpus of two-mode programs, against the sqlx of this package's `Cargo.toml`.

#[path = "../corpus/all.rs"]
mod corpus;
