//! What the crate does while it tracks, on embedded SQLite: findings, counters, places, scopes, configuration, memory.

#![expect(
    clippy::async_yields_async,
    clippy::too_many_lines,
    reason = "functions that return futures are tested, and a test is one list of them"
)]

/// Counts for `memory`, whose tests run in processes of their own.
#[global_allocator]
static HEAP: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

mod backends;
mod cancel;
mod common;
mod config;
mod counters;
mod events;
mod leaks;
mod memory;
mod model;
mod panics;
mod places;
mod reports;
mod scopes;
mod silent;
mod traits;
