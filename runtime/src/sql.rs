//! What a statement's text shows: its operations and targets, and whether it writes.
//!
//! Operations and targets have the form of OpenTelemetry's `db.query.summary`: `SELECT exam`,
//! `INSERT measurement SELECT exam`.
//!
//! The text is scanned, not parsed, so that the syntax of no dialect makes it fail. Each text is read once.

mod explain;
mod locks;
#[cfg(test)]
mod properties;
mod scan;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use explain::{explainable, has_numbered_parameters};
pub(crate) use locks::{Lock, locks, locks_for_writing};
use scan::Scan;
pub(crate) use scan::{Ends, Schema};

/// What a statement's text shows.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Operations and targets, at most 255 bytes. It never contains a literal: it ends where databases differ in what
    /// they read as one.
    pub(crate) text: String,
    /// Whether it may change data or schema.
    pub(crate) writes: bool,
    pub(crate) schema: Schema,
    /// Whether all rows that are returned, or reported as affected, are rows that it wrote. If it also reads or calls a
    /// procedure, they may be others.
    pub(crate) writes_for_sure: bool,
    /// What it ends, if it ends anything; of several statements, the last that does.
    pub(crate) ends: Option<Ends>,
    /// Whether it sets a savepoint.
    pub(crate) sets_savepoint: bool,
}

/// Summarises a statement's text.
pub(crate) fn summarise(sql: &str) -> Summary {
    let scan = Scan::of(sql);
    Summary {
        text: scan.out,
        writes: scan.writes,
        schema: scan.schema,
        writes_for_sure: scan.writes && !scan.reads,
        ends: scan.ends,
        sets_savepoint: scan.sets_savepoint,
    }
}
