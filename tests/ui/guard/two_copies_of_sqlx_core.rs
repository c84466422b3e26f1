//! Another `sqlx_core::Error` than sqlx's.

extern crate self as sqlx_core;

pub struct Error;

#[path = "../../../runtime/src/shim/one_sqlx.rs"]
mod one_sqlx;

fn main() {}
