//! Faults of a server and of the network to it, written once. Each database is a module that supplies its own SQL and
//! errors, and includes the same files.

#![expect(
    clippy::duplicate_mod,
    reason = "the suite is compiled once for each server"
)]

use sqlx::leash::Lint;

mod mysql;
mod postgres;

const FIRST: &str = "UPDATE exam SET name = 'y' WHERE id = 1";
const SECOND: &str = "UPDATE exam SET name = 'y' WHERE id = 2";

/// The situation begins a second transaction beside the first one.
const NESTED: &[Lint] = &[Lint::NestedAcquire];
/// The situation runs a statement beside a transaction.
const OUTSIDE: &[Lint] = &[Lint::OutsideTransaction, Lint::NestedAcquire];
/// The situation goes on in a transaction that the server has failed.
const FAILED: &[Lint] = &[Lint::FailedTransaction];
