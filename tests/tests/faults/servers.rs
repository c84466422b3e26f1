//! What befalls a server and the way to it, written once: each database is a module that says how things are called
//! there, and has the same files below it.

#![expect(
    clippy::duplicate_mod,
    reason = "the suite is compiled once for each server"
)]

use sqlx::leash::Lint;

mod mysql;
mod postgres;

const FIRST: &str = "UPDATE exam SET name = 'y' WHERE id = 1";
const SECOND: &str = "UPDATE exam SET name = 'y' WHERE id = 2";

/// A second transaction beside the first one.
const NESTED: &[Lint] = &[Lint::NestedAcquire];
/// A statement beside a transaction.
const OUTSIDE: &[Lint] = &[Lint::OutsideTransaction, Lint::NestedAcquire];
