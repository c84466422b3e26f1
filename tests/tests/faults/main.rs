//! Faults: servers that die, networks that lose data, disks that are full, code that panics. sqlx's error is the same
//! as in plain sqlx in the same situation, and afterwards every pool is whole.

#[macro_use]
mod common;

mod at_fault;
mod callbacks;
mod panics;
mod servers;
mod sqlite;
mod subscribers;
