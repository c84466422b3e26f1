//! A statement's operations and targets, as OpenTelemetry's `db.query.summary` wants them: `SELECT exam`,
//! `INSERT measurement SELECT exam`.
//!
//! A scanner, not a parser: it must never fail on a dialect's syntax, and it sees each text once.

#[cfg(test)]
mod properties;
mod scan;
#[cfg(test)]
mod tests;
mod tokens;

use scan::Scan;
pub(crate) use scan::Schema;

/// What is told about a statement's text.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Operations and targets, at most 255 bytes. Never a literal: from where databases differ in what is one, nothing is
    /// told.
    pub(crate) text: String,
    /// Whether it may change data or schema.
    pub(crate) writes: bool,
    pub(crate) schema: Schema,
    /// Whether rows that come back, or are reported as affected, can only be rows that it wrote: not those of a read that
    /// stands beside it, or of a procedure.
    pub(crate) writes_for_sure: bool,
    /// Whether it ends a transaction, by COMMIT or ROLLBACK.
    pub(crate) ends_transaction: bool,
}

/// Summarises a statement's text.
pub(crate) fn summarise(sql: &str) -> Summary {
    let scan = Scan::of(sql);
    Summary {
        text: scan.out,
        writes: scan.writes,
        schema: scan.schema,
        writes_for_sure: scan.writes && !scan.reads,
        ends_transaction: scan.ends_transaction,
    }
}
