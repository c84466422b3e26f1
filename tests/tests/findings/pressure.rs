//! `pool_pressure`, and `unaccounted_connections` by untracked use: findings about a whole pool.

mod full;
mod idle;
mod untracked;
