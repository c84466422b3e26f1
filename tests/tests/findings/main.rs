//! The findings of the lints: in programs that exhaust their pools, hold handles without need, or lose writes. And
//! near misses without a finding.

mod budget;
mod churn;
mod closing;
mod common;
mod deadlock;
mod duplicates;
mod failed;
mod held;
mod kept;
mod lent;
mod locked;
mod nested;
mod outside;
mod own_wait;
mod pressure;
mod repeats;
mod returns;
mod rollback;
mod session;
mod settings;
mod slow;
mod timeout;
mod watchdog;
mod words;
mod wrapped;
