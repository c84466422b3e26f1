//! What holds on every database, written once: each backend is a module that says how to get a pool, and has the same
//! files below it. So the functions have names of their own on each backend, and rows of their own.

#![expect(
    clippy::duplicate_mod,
    reason = "the suite is compiled once for each backend"
)]

/// The path within this binary of a function of the module that asks: a module of one backend.
macro_rules! here {
    ($function:expr) => {
        format!(
            "{}::{}",
            module_path!().trim_start_matches("behaviour::"),
            $function
        )
    };
}

mod any_mysql;
mod any_postgres;
mod any_sqlite;
mod bench;
mod mysql;
mod postgres;
mod sqlite;
