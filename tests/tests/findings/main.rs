//! What the lints find: in programs that run their pools dry, hold handles for nothing, lose writes. And what they leave alone.

mod budget;
mod closing;
mod common;
mod deadlock;
mod held;
mod nested;
mod outside;
mod pressure;
mod returns;
mod rollback;
mod slow;
mod support;
mod timeout;
mod watchdog;
mod words;

#[path = "../shared/child.rs"]
mod child;
#[path = "../shared/pool.rs"]
mod pool;
#[expect(dead_code, reason = "faults use more of it")]
#[path = "../shared/proxy.rs"]
mod proxy;
#[path = "../shared/settled.rs"]
mod settled;
#[path = "../shared/source.rs"]
mod source;
#[path = "../shared/until.rs"]
mod until;
