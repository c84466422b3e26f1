//! Behaviour that is the same on every database, written once. Each backend is a module that supplies its pool, and
//! includes the same files. So every function has a separate name, and separate rows, on each backend.

#![expect(
    clippy::duplicate_mod,
    reason = "the suite is compiled once for each backend"
)]

/// The path, within this binary, of a function of the calling module: the module of one backend.
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
