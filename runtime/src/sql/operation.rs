//! The operations of statements, as a bounded number of words.

/// The operation of a statement: the first word of its summary. All words that are not listed here count as one, so that no
/// text can make another operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OperationName(u8);

const NAMES: [&str; OperationName::COUNT] = [
    OperationName::OTHER,
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "REPLACE",
    "VALUES",
    "CALL",
    "DO",
    "EXECUTE",
    "PREPARE",
    "DEALLOCATE",
    "DECLARE",
    "FETCH",
    "CLOSE",
    "COPY",
    "LOAD",
    "CREATE",
    "ALTER",
    "DROP",
    "TRUNCATE",
    "RENAME",
    "COMMENT",
    "GRANT",
    "REVOKE",
    "BEGIN",
    "START",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "SET",
    "RESET",
    "DISCARD",
    "USE",
    "SHOW",
    "DESCRIBE",
    "EXPLAIN",
    "PRAGMA",
    "LOCK",
    "UNLOCK",
    "LISTEN",
    "UNLISTEN",
    "NOTIFY",
    "ATTACH",
    "DETACH",
    "ANALYZE",
    "VACUUM",
    "REINDEX",
    "OPTIMIZE",
    "REFRESH",
    "CLUSTER",
];

impl OperationName {
    pub(crate) const COUNT: usize = 54;
    /// The convention's word for what has none of the known ones.
    const OTHER: &str = "_OTHER";
    /// All that are not known.
    pub(crate) const UNKNOWN: Self = Self(0);

    /// The operation of a text with this summary.
    pub(crate) fn of(summary: &str) -> Self {
        let word = summary.split(' ').next().unwrap_or_default();
        let mut known = (0..).zip(NAMES);
        let found = known.find(|(_, name)| name.eq_ignore_ascii_case(word));
        found.map_or(Self::UNKNOWN, |(index, _)| Self(index))
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..).take(Self::COUNT).map(Self)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES[self.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::summarise;

    #[test]
    fn the_operation_is_the_first_word_of_the_summary() {
        let of = |sql: &str| OperationName::of(&summarise(sql).text).name();
        for (sql, expected) in [
            ("select * from exam", "SELECT"),
            ("/* c */ INSERT INTO exam SELECT 1", "INSERT"),
            ("WITH a AS (SELECT 1) SELECT * FROM a", "SELECT"),
            ("PRAGMA user_version", "PRAGMA"),
            ("BEGIN IMMEDIATE", "BEGIN"),
            ("frobnicate the exam", "_OTHER"),
            ("", "_OTHER"),
        ] {
            assert_eq!(of(sql), expected, "{sql}");
        }
    }

    #[test]
    fn every_name_is_found_again() {
        for name in OperationName::all() {
            assert_eq!(OperationName::of(name.name()), name);
        }
    }
}
