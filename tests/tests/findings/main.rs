//! What the lints find: in programs that run their pools dry, hold handles for nothing, lose writes. And what they leave alone.

mod budget;
mod closing;
mod common;
mod deadlock;
mod failed;
mod held;
mod nested;
mod outside;
mod pressure;
mod returns;
mod rollback;
mod slow;
mod timeout;
mod watchdog;
mod words;
