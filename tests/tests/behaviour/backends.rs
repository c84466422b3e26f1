//! What holds on every database, written once: each backend is a module that says how to get a pool, and has the same
//! files below it. So the functions have names of their own on each backend, and rows of their own.

#![expect(
    clippy::duplicate_mod,
    reason = "the suite is compiled once for each backend"
)]

mod any_mysql;
mod any_postgres;
mod any_sqlite;
mod bench;
mod mysql;
mod postgres;
mod sqlite;
