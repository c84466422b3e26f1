//! Faults: servers that die, networks that lie, disks that are full, code that panics. sqlx's own error comes back as plain
//! sqlx gives it in the same situation, and afterwards everything is whole.

#[macro_use]
mod common;

mod at_fault;
mod callbacks;
mod panics;
mod servers;
mod sqlite;
mod subscribers;
