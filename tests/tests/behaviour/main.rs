//! The behaviour of the crate while it tracks: findings, counters, places, scopes, configuration, memory. On embedded
//! SQLite, and in `backends` on every database.

#![expect(
    clippy::async_yields_async,
    clippy::too_many_lines,
    reason = "functions that return futures are tested, and a test is one list of them"
)]

/// Counts heap bytes for `memory`, whose tests run in their own processes.
#[global_allocator]
static HEAP: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

mod backends;
mod cache;
mod cancel;
mod common;
mod config;
mod connections;
mod counters;
mod demand;
mod doctor;
mod events;
mod grafana;
mod health;
mod labels;
mod leaks;
mod live;
mod memory;
mod metrics;
mod model;
mod observed;
mod panics;
mod pinned;
mod places;
mod reports;
mod requests;
mod scopes;
mod serialised;
mod silent;
mod spans;
mod traits;
