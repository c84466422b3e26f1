//! Snapshots, and what is printed of them: the table, lines, the periodic report.

pub(crate) mod collect;
pub(crate) mod diagnosis;
pub(crate) mod health;
pub(crate) mod line;
mod live;
pub(crate) mod prometheus;
pub(crate) mod reporter;
mod requests;
mod table;
