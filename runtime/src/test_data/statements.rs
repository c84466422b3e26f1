//! The statements of a future, in a form that is the same in every run.

use std::fmt;

/// What a future has sent, made for snapshot tests. [`leash::testing::statements`] returns it.
///
/// It has no times and no lines of source, and it does not depend on the order in which concurrent branches run: a
/// statement has one row for each function and text, with the number of its calls. The rows are sorted by the
/// function's name, and within a function by where it sends them in its source.
///
/// `Display` prints a function's name above its statements:
///
/// ```text
/// store::ExamRepo::list
///     1 × SELECT id, patient FROM exam
/// store::ExamRepo::patient
///     20 × SELECT name FROM patient WHERE id = ?
/// ```
///
/// [`leash::testing::statements`]: crate::leash::testing::statements
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Statements {
    /// One row per function and text.
    pub rows: Vec<Statement>,
}

/// The calls of one text in one function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Statement {
    /// The tracked function that sent it; `None` if none did.
    pub function: Option<String>,
    /// Operation and targets: `SELECT exam`.
    pub summary: String,
    /// The text in one line, without comments and bound values; at most its first 4 KiB.
    pub sql: String,
    /// Statements begun.
    pub calls: u64,
}

impl Statements {
    /// The number of statements sent.
    pub fn calls(&self) -> u64 {
        self.rows.iter().map(|row| row.calls).sum()
    }
}

impl fmt::Display for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return f.write_str("(no statement)");
        }
        for (index, of_function) in (self.rows)
            .chunk_by(|one, next| one.function == next.function)
            .enumerate()
        {
            if index > 0 {
                f.write_str("\n")?;
            }
            let function = of_function[0].function.as_deref();
            f.write_str(function.unwrap_or("(no tracked function)"))?;
            for row in of_function {
                write!(f, "\n    {} × {}", row.calls, row.sql)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(function: Option<&str>, sql: &str, calls: u64) -> Statement {
        Statement {
            function: function.map(str::to_owned),
            summary: String::new(),
            sql: sql.to_owned(),
            calls,
        }
    }

    #[test]
    fn a_function_stands_above_its_statements() {
        let statements = Statements {
            rows: vec![
                row(None, "PRAGMA x", 1),
                row(Some("list"), "SELECT a", 1),
                row(Some("list"), "SELECT b", 20),
                row(Some("other"), "SELECT c", 3),
            ],
        };
        assert_eq!(statements.calls(), 25);
        assert_eq!(
            statements.to_string(),
            "(no tracked function)\n    1 × PRAGMA x\nlist\n    1 × SELECT a\n    20 × SELECT b\nother\n    3 × SELECT c"
        );
        assert_eq!(Statements::default().to_string(), "(no statement)");
    }
}
