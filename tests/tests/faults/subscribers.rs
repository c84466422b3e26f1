//! Subscribers that panic, and subscribers that send statements themselves, through the pool whose statements they hear of.

mod panicking;
mod sending;

type Result<T = ()> = sqlx::Result<T>;
