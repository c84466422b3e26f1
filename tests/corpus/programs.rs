//! Programs for sqlx as people write them: they do not mention sqlx-leash, and use only paths that start with `sqlx::`.
//!
//! They are compiled and run three times, unchanged and without a warning: with sqlx itself, with sqlx-leash without
//! `track`, and with it. Any difference is a fault of sqlx-leash.

#![allow(
    unreachable_pub,
    clippy::pedantic,
    reason = "programs are compiled with the lints that rustc and clippy enable by default"
)]
#![allow(
    clippy::explicit_auto_deref,
    reason = "people write `&mut *tx` also where `&mut tx` would do"
)]

mod any;
mod attribute;
mod auto_traits;
mod borrowed;
pub mod clinic;
mod connections;
mod executors;
mod macros;
mod mysql;
mod patterns;
mod pool;
mod postgres;
mod queries;
mod repositories;
mod streams;
mod transactions;
mod wrappers;

/// Runs the ignored tests of a module in their own process. They read the server's address from `DATABASE_URL`.
fn run_ignored(module: &str, url: &str, expected: usize) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--test-threads=1",
            &format!("corpus::{module}"),
        ])
        .env("DATABASE_URL", url)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains(&format!("{expected} passed")),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
