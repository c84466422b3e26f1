//! What the crate does while it tracks, on embedded SQLite: findings, counters, places, scopes, configuration, memory.

mod common;

mod counters;
mod leaks;
mod places;
mod silent;
