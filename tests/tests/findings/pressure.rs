//! `pool_pressure` and `unaccounted_connections` by untracked use: what is told of a whole pool.

mod full;
mod idle;
mod untracked;
