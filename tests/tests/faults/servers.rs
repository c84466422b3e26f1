//! What befalls a server and the way to it, written once: each database is a module that says how things are called
//! there, and has the same files below it.

#![expect(
    clippy::duplicate_mod,
    reason = "the suite is compiled once for each server"
)]

mod mysql;
mod postgres;
