//! The judges, a file a lint: each looks at what was recorded, and reports a finding where its lint applies.
//!
//! A judge asks [`judge`] for the level in force, puts a finding together with the builder of `finding/build.rs`, and reports
//! it by [`emit`], which decides where it is reported and how often. Where the program must panic, the judge returns a
//! [`Reaction`], and its caller acts on it.

mod advice;
mod budget;
mod churn;
mod closing;
mod deadlock;
mod demand;
mod describe;
mod duplicates;
pub(crate) mod emit;
mod failed;
mod held;
mod holdings;
mod judge;
mod leak;
mod locked;
mod nested;
mod own_wait;
mod places;
mod pressure;
mod repeats;
mod rollback;
mod session;
mod settings;
mod slow;
mod spent;
mod sqlite_locks;
mod timeout;
mod unaccounted;
mod unread;
pub(crate) mod wait_for;

pub(crate) use budget::query_budget;
pub(crate) use churn::{Turnover, connection_churn};
pub(crate) use closing::close_blocked;
pub(crate) use deadlock::pool_deadlock;
pub(crate) use demand::note_demand;
pub(crate) use duplicates::{COMPARED_AFTER, Reported, duplicate_pool};
pub(crate) use emit::Reaction;
pub use emit::on_finding;
pub(crate) use failed::{Step, failed_transaction};
pub(crate) use held::{held_idle, held_too_long};
pub(crate) use leak::{Ending, outlived_scope};
pub(crate) use locked::{Refused, database_locked};
pub(crate) use nested::on_granted;
pub(crate) use own_wait::Waiting;
#[cfg(feature = "board")]
pub(crate) use own_wait::waits_for;
pub(crate) use pressure::{PressureSamples, pool_pressure};
pub(crate) use repeats::repeated;
#[cfg(feature = "tower")]
pub(crate) use repeats::repeated_in;
pub(crate) use rollback::implicit_rollback;
pub(crate) use session::{
    Way, left_for, report_at_once, report_postponed, state_is_left, transaction_is_left,
};
pub(crate) use settings::pool_settings;
pub(crate) use slow::{slow_query_ended, slow_query_running};
pub(crate) use timeout::{diagnosis_so_far, pool_timeout, server_is_full};
pub(crate) use unaccounted::{Unaccounted, unaccounted_connections, unexplained};
