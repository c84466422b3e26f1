//! What is found while it happens: handles that are held for nothing, writes that are lost, pools that run short.

mod budget;
mod closing;
mod held;
mod pressure;
mod returns;
mod rollback;
mod slow;
mod support;
mod watchdog;
mod wording;
