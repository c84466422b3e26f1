//! What a statement's text shows: its operations and targets, whether it writes, and what it does to the session.
//!
//! Operations and targets have the form of OpenTelemetry's `db.query.summary`: `SELECT exam`,
//! `INSERT measurement SELECT exam`.
//!
//! The text is scanned, not parsed, so that the syntax of no dialect makes it fail. Each text is read once for its
//! summary, and once for its effects.

#[allow(dead_code, reason = "state of the session is not found yet")]
mod effects;
mod explain;
mod locks;
mod one_line;
mod operation;
#[cfg(test)]
mod properties;
mod scan;
mod shape;
mod sole;
#[cfg(test)]
mod tests;
mod tokens;
mod varies;

#[allow(
    unused_imports,
    reason = "for state of the session, which is not found yet"
)]
pub(crate) use effects::{
    Condition, Effect, Ends, Item, Key, Kind, Undo, effects, effects_of_first, is_several,
    locks_for_writing, may_have_effects, rolls_back_on_conflict,
};
pub(crate) use explain::{explainable, has_numbered_parameters};
pub(crate) use locks::{Lock, locks};
pub(crate) use one_line::one_line;
pub(crate) use operation::OperationName;
use scan::Scan;
pub(crate) use scan::Schema;
pub(crate) use shape::{Shape, shape};
pub(crate) use sole::{Sole, sole};
pub(crate) use varies::varies;

/// What a statement's text shows.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Operations and targets, at most 255 bytes. It never contains a literal: it ends where databases differ in what
    /// they read as one.
    pub(crate) text: String,
    /// Whether it may change data or schema.
    pub(crate) writes: bool,
    /// The tables that it names, as hashes; each may be there twice.
    pub(crate) tables: Box<[u64]>,
    pub(crate) schema: Schema,
    /// Whether it may set something in the session, on which other answers may depend.
    pub(crate) sets: bool,
    /// Whether all rows that are returned, or reported as affected, are rows that it wrote. If it also reads or calls a
    /// procedure, they may be others.
    pub(crate) writes_for_sure: bool,
}

/// Summarises a statement's text.
pub(crate) fn summarise(sql: &str) -> Summary {
    let scan = Scan::of(sql);
    Summary {
        text: scan.out,
        tables: scan.tables.into(),
        writes: scan.writes,
        schema: scan.schema,
        sets: scan.sets,
        writes_for_sure: scan.writes && !scan.reads,
    }
}
