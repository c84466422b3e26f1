//! Subscribers that panic, and subscribers that send statements through the pool whose statements they receive.

mod panicking;
mod panicking_at_close;
mod panicking_at_spans;
mod sending;

type Result<T = ()> = sqlx::Result<T>;
