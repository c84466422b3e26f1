//! The text of each finding, reviewed like code. Each time is replaced by `…`.

mod dry_pools;
mod lints;
