//! Snapshots, and what is printed of them: the table, lines, the periodic report.

pub(crate) mod collect;
mod line;
pub(crate) mod reporter;
pub(crate) mod table;
