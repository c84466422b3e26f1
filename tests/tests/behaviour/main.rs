//! What the crate does while it tracks, on embedded SQLite: findings, counters, places, scopes, configuration, memory.

mod cancel;
mod child;
mod common;
mod config;

mod counters;
mod events;
mod leaks;
mod memory;
mod panics;
mod places;
mod scopes;
mod silent;
mod traits;
