#![doc = include_str!("lib.md")]

// Lets the expansion of `#[track]` name the crate by its own name in its own doc tests.
extern crate self as sqlx_leash;

pub use sqlx::*;

pub mod leash;
mod lint;
mod snapshot;

#[cfg(not(feature = "track"))]
mod off;
#[cfg(not(feature = "track"))]
pub use sqlx_leash_macros::track_off as track;
