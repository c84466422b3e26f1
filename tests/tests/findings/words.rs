//! How each finding reads: reviewed like code. Each time stands as `…`.

mod dry_pools;
mod lints;
