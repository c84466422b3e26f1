//! What people and logs read of the tracker: snapshots, tables, lines, the periodic report.

pub(crate) mod collect;
mod line;
pub(crate) mod reporter;
mod table;
