//! What `#[track]` accepts: programs of every form, compiled without a new warning, and run.
//!
//! Each module is a program of its own, which denies what rustc warns of. Together they are built once.

#![allow(
    dead_code,
    reason = "what is written to be compiled need not be called"
)]
#![allow(
    unreachable_pub,
    clippy::pedantic,
    reason = "programs are compiled with the lints that rustc and clippy have on by themselves"
)]
#![allow(
    clippy::let_and_return,
    clippy::multiple_bound_locations,
    clippy::needless_arbitrary_self_type,
    clippy::too_many_arguments,
    reason = "the attribute must accept these forms as well"
)]

mod async_trait;
mod closures;
mod crate_path;
mod entry_points;
mod foreign_methods;
mod futures;
mod generics;
mod helps;
mod hygiene;
mod instrument;
pub mod lints;
mod macros;
mod methods;
mod modules;
mod options;
mod patterns;
mod plain;
mod returned;
mod send;
mod streams;
mod traits;
mod written_by_macros;
